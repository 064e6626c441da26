// SPDX-License-Identifier: GPL-2.0-only
#include "show.h"
#include "paint.h"

#include <inttypes.h>
#include <string.h>

static const char *key_text(const uint8_t key[FZ_KEY_LEN], bool there, char text[FZ_KEY_TEXT_SIZE])
{
	if (!there)
		return "(none)";
	fz_key_format(text, key);
	return text;
}

static const char *endpoint_text(const struct fz_peer *peer, char text[FZ_ENDPOINT_TEXT_SIZE])
{
	if (!peer->endpoint.sa.sa_family)
		return "(none)";
	return fz_format_endpoint(text, FZ_ENDPOINT_TEXT_SIZE, &peer->endpoint);
}

/* "1 day, 2 minutes" */
static void print_time(FILE *out, uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = {
		{ 365 * 86400ULL, "year" }, { 86400, "day" }, { 3600, "hour" }, { 60, "minute" },
		{ 1, "second" },
	};
	const char *between = "";

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t n = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (!n)
			continue;
		fprintf(out, "%s%" PRIu64 " %s%s%s%s", between, n, paint(PAINT_CYAN), units[i].name,
			n == 1 ? "" : "s", paint(PAINT_RESET));
		between = ", ";
	}
}

static void print_ago(FILE *out, int64_t when, int64_t now)
{
	if (when == now) {
		fputs("Now", out);
	} else if (when > now) {
		fprintf(out, "(%sSystem clock wound backward; connection problems may ensue.%s)",
			paint(PAINT_RED), paint(PAINT_RESET));
	} else {
		print_time(out, (uint64_t)(now - when));
		fputs(" ago", out);
	}
}

static void print_bytes(FILE *out, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	uint64_t scale = 1024;
	size_t i = 0;

	if (bytes < 1024) {
		fprintf(out, "%u %sB%s", (unsigned int)bytes, paint(PAINT_CYAN), paint(PAINT_RESET));
		return;
	}
	while (i + 1 < sizeof(units) / sizeof(units[0]) && bytes / scale >= 1024) {
		scale *= 1024;
		i++;
	}
	fprintf(out, "%.2f %s%s%s", (double)bytes / (double)scale, paint(PAINT_CYAN), units[i],
		paint(PAINT_RESET));
}

/* "  title: " */
static void print_title(FILE *out, const char *title)
{
	fprintf(out, "  %s%s%s: ", paint(PAINT_BOLD), title, paint(PAINT_RESET));
}

static void print_allowedips(FILE *out, const struct fz_peer *peer)
{
	char text[FZ_ADDR_TEXT_SIZE];

	print_title(out, "allowed ips");
	if (!peer->n_allowedips)
		fputs("(none)\n", out);
	for (size_t i = 0; i < peer->n_allowedips; i++) {
		const struct fz_prefix *prefix = &peer->allowedips[i].prefix;

		fprintf(out, "%s%s/%s%u%s", fz_format_addr(text, sizeof(text), &prefix->addr),
			paint(PAINT_CYAN), paint(PAINT_RESET), prefix->len,
			i + 1 < peer->n_allowedips ? ", " : "\n");
	}
}

static void print_peer(FILE *out, const struct fz_peer *peer, int64_t now, bool hide_keys)
{
	char key[FZ_KEY_TEXT_SIZE], endpoint[FZ_ENDPOINT_TEXT_SIZE];

	fprintf(out, "%s%speer%s: %s%s%s\n", paint(PAINT_YELLOW), paint(PAINT_BOLD), paint(PAINT_RESET),
		paint(PAINT_YELLOW), key_text(peer->public_key, true, key), paint(PAINT_RESET));
	if (peer->has & FZ_HAS_PRESHARED_KEY) {
		print_title(out, "preshared key");
		fprintf(out, "%s\n", hide_keys ? "(hidden)" : key_text(peer->preshared_key, true, key));
	}
	if (peer->endpoint.sa.sa_family) {
		print_title(out, "endpoint");
		fprintf(out, "%s\n", endpoint_text(peer, endpoint));
	}
	print_allowedips(out, peer);
	if (peer->last_handshake.sec) {
		print_title(out, "latest handshake");
		print_ago(out, peer->last_handshake.sec, now);
		fputc('\n', out);
	}
	if (peer->rx_bytes || peer->tx_bytes) {
		print_title(out, "transfer");
		print_bytes(out, peer->rx_bytes);
		fputs(" received, ", out);
		print_bytes(out, peer->tx_bytes);
		fputs(" sent\n", out);
	}
	if (peer->keepalive) {
		print_title(out, "persistent keepalive");
		fputs("every ", out);
		print_time(out, peer->keepalive);
		fputc('\n', out);
	}
}

void show_pretty(FILE *out, struct fz_device *dev, int64_t now, bool hide_keys)
{
	char key[FZ_KEY_TEXT_SIZE];

	fprintf(out, "%s%s%sinterface%s: %s%s%s\n", paint(PAINT_RESET), paint(PAINT_GREEN),
		paint(PAINT_BOLD), paint(PAINT_RESET), paint(PAINT_GREEN), dev->name, paint(PAINT_RESET));
	if (dev->has & FZ_HAS_PUBLIC_KEY) {
		print_title(out, "public key");
		fprintf(out, "%s\n", key_text(dev->public_key, true, key));
	}
	if (dev->has & FZ_HAS_PRIVATE_KEY) {
		print_title(out, "private key");
		fprintf(out, "%s\n", hide_keys ? "(hidden)" : key_text(dev->private_key, true, key));
	}
	if (dev->listen_port) {
		print_title(out, "listening port");
		fprintf(out, "%u\n", dev->listen_port);
	}
	if (dev->fwmark) {
		print_title(out, "fwmark");
		fprintf(out, "0x%x\n", dev->fwmark);
	}
	fz_device_sort(dev);
	for (size_t i = 0; i < dev->n_peers; i++) {
		fputc('\n', out);
		print_peer(out, &dev->peers[i], now, hide_keys);
	}
}

static void field_allowedips(FILE *out, const struct fz_peer *peer, char between)
{
	char text[FZ_ADDR_TEXT_SIZE];

	if (!peer->n_allowedips)
		fputs("(none)", out);
	for (size_t i = 0; i < peer->n_allowedips; i++) {
		if (i)
			fputc(between, out);
		fputs(fz_format_prefix(text, sizeof(text), &peer->allowedips[i].prefix), out);
	}
}

static void field_keepalive(FILE *out, const struct fz_peer *peer)
{
	if (peer->keepalive)
		fprintf(out, "%u", peer->keepalive);
	else
		fputs("off", out);
}

static void field_fwmark(FILE *out, const struct fz_device *dev)
{
	if (dev->fwmark)
		fprintf(out, "0x%x", dev->fwmark);
	else
		fputs("off", out);
}

static bool device_field(FILE *out, const struct fz_device *dev, const char *field)
{
	char key[FZ_KEY_TEXT_SIZE];

	if (!strcmp(field, "public-key"))
		fputs(key_text(dev->public_key, dev->has & FZ_HAS_PUBLIC_KEY, key), out);
	else if (!strcmp(field, "private-key"))
		fputs(key_text(dev->private_key, dev->has & FZ_HAS_PRIVATE_KEY, key), out);
	else if (!strcmp(field, "listen-port"))
		fprintf(out, "%u", dev->listen_port);
	else if (!strcmp(field, "fwmark"))
		field_fwmark(out, dev);
	else
		return false;
	return true;
}

static bool is_device_field(const char *field)
{
	static const char *const fields[] = { "public-key", "private-key", "listen-port", "fwmark" };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!strcmp(field, fields[i]))
			return true;
	}
	return false;
}

/* The part after the peer's key; false if there is no such field. */
static bool peer_field(FILE *out, const struct fz_peer *peer, const char *field)
{
	char key[FZ_KEY_TEXT_SIZE], endpoint[FZ_ENDPOINT_TEXT_SIZE];

	if (!strcmp(field, "peers"))
		return true;
	fputc('\t', out);
	if (!strcmp(field, "preshared-keys"))
		fputs(key_text(peer->preshared_key, peer->has & FZ_HAS_PRESHARED_KEY, key), out);
	else if (!strcmp(field, "endpoints"))
		fputs(endpoint_text(peer, endpoint), out);
	else if (!strcmp(field, "allowed-ips"))
		field_allowedips(out, peer, ' ');
	else if (!strcmp(field, "latest-handshakes"))
		fprintf(out, "%" PRId64, peer->last_handshake.sec);
	else if (!strcmp(field, "transfer"))
		fprintf(out, "%" PRIu64 "\t%" PRIu64, peer->rx_bytes, peer->tx_bytes);
	else if (!strcmp(field, "persistent-keepalive"))
		field_keepalive(out, peer);
	else
		return false;
	return true;
}

static bool is_peer_field(const char *field)
{
	static const char *const fields[] = {
		"peers", "preshared-keys", "endpoints", "allowed-ips", "latest-handshakes", "transfer",
		"persistent-keepalive",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!strcmp(field, fields[i]))
			return true;
	}
	return false;
}

static void print_name(FILE *out, const struct fz_device *dev, bool with_name)
{
	if (with_name)
		fprintf(out, "%s\t", dev->name);
}

static void dump(FILE *out, const struct fz_device *dev, bool with_name)
{
	char key[FZ_KEY_TEXT_SIZE], endpoint[FZ_ENDPOINT_TEXT_SIZE];

	print_name(out, dev, with_name);
	fprintf(out, "%s\t", key_text(dev->private_key, dev->has & FZ_HAS_PRIVATE_KEY, key));
	fprintf(out, "%s\t%u\t", key_text(dev->public_key, dev->has & FZ_HAS_PUBLIC_KEY, key),
		dev->listen_port);
	field_fwmark(out, dev);
	fputc('\n', out);
	for (size_t i = 0; i < dev->n_peers; i++) {
		const struct fz_peer *peer = &dev->peers[i];

		print_name(out, dev, with_name);
		fprintf(out, "%s\t", key_text(peer->public_key, true, key));
		fprintf(out, "%s\t", key_text(peer->preshared_key, peer->has & FZ_HAS_PRESHARED_KEY, key));
		fprintf(out, "%s\t", endpoint_text(peer, endpoint));
		field_allowedips(out, peer, ',');
		fprintf(out, "\t%" PRId64 "\t%" PRIu64 "\t%" PRIu64 "\t", peer->last_handshake.sec,
			peer->rx_bytes, peer->tx_bytes);
		field_keepalive(out, peer);
		fputc('\n', out);
	}
}

bool show_field(FILE *out, const struct fz_device *dev, const char *field, bool with_name)
{
	char key[FZ_KEY_TEXT_SIZE];
	bool once;

	if (!strcmp(field, "dump")) {
		dump(out, dev, with_name);
		return true;
	}
	if (is_device_field(field)) {
		print_name(out, dev, with_name);
		device_field(out, dev, field);
		fputc('\n', out);
		return true;
	}
	if (!is_peer_field(field))
		return false;
	/* wg(8) says the name once only with this field, and scripts may know it. */
	once = !strcmp(field, "endpoints");
	if (once)
		print_name(out, dev, with_name);
	for (size_t i = 0; i < dev->n_peers; i++) {
		print_name(out, dev, with_name && !once);
		fputs(key_text(dev->peers[i].public_key, true, key), out);
		peer_field(out, &dev->peers[i], field);
		fputc('\n', out);
	}
	return true;
}

static void config_peer(FILE *out, const struct fz_peer *peer)
{
	char key[FZ_KEY_TEXT_SIZE], text[FZ_ENDPOINT_TEXT_SIZE];

	fprintf(out, "[Peer]\nPublicKey = %s\n", key_text(peer->public_key, true, key));
	if (peer->has & FZ_HAS_PRESHARED_KEY)
		fprintf(out, "PresharedKey = %s\n", key_text(peer->preshared_key, true, key));
	for (size_t i = 0; i < peer->n_allowedips; i++)
		fprintf(out, "%s%s", i ? ", " : "AllowedIPs = ",
			fz_format_prefix(text, sizeof(text), &peer->allowedips[i].prefix));
	if (peer->n_allowedips)
		fputc('\n', out);
	if (peer->endpoint.sa.sa_family)
		fprintf(out, "Endpoint = %s\n", endpoint_text(peer, text));
	if (peer->keepalive)
		fprintf(out, "PersistentKeepalive = %u\n", peer->keepalive);
}

void show_config(FILE *out, const struct fz_device *dev)
{
	char key[FZ_KEY_TEXT_SIZE];

	fputs("[Interface]\n", out);
	if (dev->listen_port)
		fprintf(out, "ListenPort = %u\n", dev->listen_port);
	if (dev->fwmark)
		fprintf(out, "FwMark = 0x%x\n", dev->fwmark);
	if (dev->has & FZ_HAS_PRIVATE_KEY)
		fprintf(out, "PrivateKey = %s\n", key_text(dev->private_key, true, key));
	fputc('\n', out);
	for (size_t i = 0; i < dev->n_peers; i++) {
		if (i)
			fputc('\n', out);
		config_peer(out, &dev->peers[i]);
	}
}
