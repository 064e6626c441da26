// SPDX-License-Identifier: GPL-2.0-only
/* The text below is what wg(8) prints for the same device. */
#include "show.h"
#include "paint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1795350000

static struct fz_peer *add_peer(struct fz_device *dev, const char *hex)
{
	struct fz_peer *peer = fz_device_add_peer(dev);

	assert_non_null(peer);
	assert_true(fz_key_parse_hex(peer->public_key, FZ_KEY_LEN, hex));
	return peer;
}

static void add_ip(struct fz_peer *peer, const char *word)
{
	struct fz_prefix prefix;

	assert_int_equal(fz_parse_prefix(word, &prefix, NULL), 0);
	assert_int_equal(fz_peer_add_allowedip(peer, &prefix, 0), 0);
}

static struct fz_device *make_device(void)
{
	struct fz_device *dev = fz_device_new("fz0");
	struct fz_peer *peer;

	fz_key_parse_hex(dev->private_key, FZ_KEY_LEN,
			 "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a");
	fz_key_derive_public(dev->public_key, dev->private_key);
	dev->has = FZ_HAS_PRIVATE_KEY | FZ_HAS_PUBLIC_KEY;
	dev->listen_port = 12912;
	dev->fwmark = 66;
	peer = add_peer(dev, "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376");
	add_ip(peer, "192.168.4.6/32");
	fz_parse_endpoint("182.122.22.19:3233", &peer->endpoint, NULL);
	peer = add_peer(dev, "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33");
	fz_key_parse_hex(peer->preshared_key, FZ_KEY_LEN,
			 "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52");
	peer->has |= FZ_HAS_PRESHARED_KEY;
	add_ip(peer, "192.168.4.4/32");
	add_ip(peer, "fd00::/64");
	fz_parse_endpoint("[abcd:23::33]:51820", &peer->endpoint, NULL);
	peer->last_handshake.sec = 1700000000;
	peer->rx_bytes = 2224;
	peer->tx_bytes = 38333;
	peer->keepalive = 25;
	peer = add_peer(dev, "662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58");
	peer->last_handshake.sec = 1690000000;
	peer->rx_bytes = 1929999999;
	peer->tx_bytes = 1212111;
	peer->keepalive = 3661;
	return dev;
}

static void compare(char *text, const char *expected)
{
	assert_string_equal(text, expected);
	free(text);
}

static void test_pretty(void **state)
{
	struct fz_device *dev = make_device();
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	show_pretty(out, dev, NOW, true);
	fclose(out);
	compare(text,
		"interface: fz0\n"
		"  public key: wVMuGz01CPx+vDVPpnliDzPyhxSVQuaExnt7DYE2Kyk=\n"
		"  private key: (hidden)\n"
		"  listening port: 12912\n"
		"  fwmark: 0x42\n"
		"\n"
		"peer: uFmW/sycfx/G0lcqdu2hHVm80gvo5UOxXOS9hajnWjM=\n"
		"  preshared key: (hidden)\n"
		"  endpoint: [abcd:23::33]:51820\n"
		"  allowed ips: 192.168.4.4/32, fd00::/64\n"
		"  latest handshake: 3 years, 8 days, 14 hours, 6 minutes, 40 seconds ago\n"
		"  transfer: 2.17 KiB received, 37.43 KiB sent\n"
		"  persistent keepalive: every 25 seconds\n"
		"\n"
		"peer: Zi4U/VlFVvUiYEcDNANRJYkDtk81VTdj8ZQmqypRXFg=\n"
		"  allowed ips: (none)\n"
		"  latest handshake: 3 years, 124 days, 7 hours, 53 minutes, 20 seconds ago\n"
		"  transfer: 1.80 GiB received, 1.16 MiB sent\n"
		"  persistent keepalive: every 1 hour, 1 minute, 1 second\n"
		"\n"
		"peer: WEAuaVuhdyscyTCXVfBDJR6nf9zxD75jmJzrfhkyE3Y=\n"
		"  endpoint: 182.122.22.19:3233\n"
		"  allowed ips: 192.168.4.6/32\n");
	fz_device_free(dev);
}

static void test_colours(void **state)
{
	struct fz_device *dev = fz_device_new("fz0");
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	add_ip(add_peer(dev, "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"),
	       "192.168.4.6/32");
	setenv("WG_COLOR_MODE", "always", 1);
	paint_decide();
	show_pretty(out, dev, NOW, true);
	fclose(out);
	setenv("WG_COLOR_MODE", "never", 1);
	paint_decide();
	compare(text,
		"\x1b[0m\x1b[32m\x1b[1minterface\x1b[0m: \x1b[32mfz0\x1b[0m\n"
		"\n"
		"\x1b[33m\x1b[1mpeer\x1b[0m: \x1b[33mWEAuaVuhdyscyTCXVfBDJR6nf9zxD75jmJzrfhkyE3Y=\x1b[0m\n"
		"  \x1b[1mallowed ips\x1b[0m: 192.168.4.6\x1b[36m/\x1b[0m32\n");
	fz_device_free(dev);
}

static void test_fields(void **state)
{
	static const char *const fields[] = {
		"public-key", "private-key", "listen-port", "fwmark", "peers", "preshared-keys", "endpoints",
		"allowed-ips", "latest-handshakes", "transfer", "persistent-keepalive", "dump",
	};
	struct fz_device *dev = make_device();
	char *text;
	size_t size;
	FILE *out;

	(void)state;
	out = open_memstream(&text, &size);
	show_field(out, dev, "dump", true);
	fclose(out);
	compare(text,
		"fz0\t6EtabScXwQA6E7QxVwNT26ypFGzxUMX4V1aA/rpSAno=\twVMuGz01CPx+vDVPpnliDzPyhxSVQuaExnt7DYE2Kyk="
		"\t12912\t0x42\n"
		"fz0\tWEAuaVuhdyscyTCXVfBDJR6nf9zxD75jmJzrfhkyE3Y=\t(none)\t182.122.22.19:3233\t192.168.4.6/32"
		"\t0\t0\t0\toff\n"
		"fz0\tuFmW/sycfx/G0lcqdu2hHVm80gvo5UOxXOS9hajnWjM=\tGIUVCT6VL18i6GXO8wEucvi18LWYrAMJ1drM47cPz1I="
		"\t[abcd:23::33]:51820\t192.168.4.4/32,fd00::/64\t1700000000\t2224\t38333\t25\n"
		"fz0\tZi4U/VlFVvUiYEcDNANRJYkDtk81VTdj8ZQmqypRXFg=\t(none)\t(none)\t(none)"
		"\t1690000000\t1929999999\t1212111\t3661\n");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		out = open_memstream(&text, &size);
		assert_true(show_field(out, dev, fields[i], false));
		fclose(out);
		free(text);
	}
	out = open_memstream(&text, &size);
	assert_false(show_field(out, dev, "foo", false));
	fclose(out);
	compare(text, "");
	fz_device_free(dev);
}

static void test_config(void **state)
{
	struct fz_device *dev = make_device();
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	show_config(out, dev);
	fclose(out);
	compare(text,
		"[Interface]\nListenPort = 12912\nFwMark = 0x42\n"
		"PrivateKey = 6EtabScXwQA6E7QxVwNT26ypFGzxUMX4V1aA/rpSAno=\n\n"
		"[Peer]\nPublicKey = WEAuaVuhdyscyTCXVfBDJR6nf9zxD75jmJzrfhkyE3Y=\n"
		"AllowedIPs = 192.168.4.6/32\nEndpoint = 182.122.22.19:3233\n\n"
		"[Peer]\nPublicKey = uFmW/sycfx/G0lcqdu2hHVm80gvo5UOxXOS9hajnWjM=\n"
		"PresharedKey = GIUVCT6VL18i6GXO8wEucvi18LWYrAMJ1drM47cPz1I=\n"
		"AllowedIPs = 192.168.4.4/32, fd00::/64\nEndpoint = [abcd:23::33]:51820\n"
		"PersistentKeepalive = 25\n\n"
		"[Peer]\nPublicKey = Zi4U/VlFVvUiYEcDNANRJYkDtk81VTdj8ZQmqypRXFg=\n"
		"PersistentKeepalive = 3661\n");
	fz_device_free(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_config),
	};

	setenv("WG_COLOR_MODE", "never", 1);
	paint_decide();
	return cmocka_run_group_tests_name("show", tests, NULL, NULL);
}
