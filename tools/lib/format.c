// SPDX-License-Identifier: GPL-2.0-only
#include "format.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

const char *fz_format_addr(char *buf, size_t size, const struct fz_addr *addr)
{
	if (!addr->family || !inet_ntop(addr->family, addr->bytes, buf, (socklen_t)size))
		snprintf(buf, size, "-");
	return buf;
}

const char *fz_format_prefix(char *buf, size_t size, const struct fz_prefix *prefix)
{
	char addr[FZ_ADDR_TEXT_SIZE];

	snprintf(buf, size, "%s/%u", fz_format_addr(addr, sizeof(addr), &prefix->addr), prefix->len);
	return buf;
}

const char *fz_format_endpoint(char *buf, size_t size, const union fz_endpoint *endpoint)
{
	char host[FZ_ADDR_TEXT_SIZE], port[8];
	socklen_t len = endpoint->sa.sa_family == AF_INET ? sizeof(endpoint->v4) : sizeof(endpoint->v6);

	/* Knows the names of scopes: fe80::1%eth0 */
	if (!endpoint->sa.sa_family ||
	    getnameinfo(&endpoint->sa, len, host, sizeof(host), port, sizeof(port),
			NI_DGRAM | NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, endpoint->sa.sa_family == AF_INET ? "%s:%s" : "[%s]:%s", host, port);
	return buf;
}

const char *fz_format_protocol(char *buf, size_t size, uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		snprintf(buf, size, "tcp");
		break;
	case IPPROTO_UDP:
		snprintf(buf, size, "udp");
		break;
	case IPPROTO_SCTP:
		snprintf(buf, size, "sctp");
		break;
	case IPPROTO_ICMP:
		snprintf(buf, size, "icmp");
		break;
	case IPPROTO_ICMPV6:
		snprintf(buf, size, "icmpv6");
		break;
	default:
		snprintf(buf, size, "proto/%u", protocol);
	}
	return buf;
}

static void format_ports(char *buf, size_t size, const struct fz_service *service)
{
	if (service->port_min == service->port_max)
		snprintf(buf, size, "%u", service->port_min);
	else
		snprintf(buf, size, "%u-%u", service->port_min, service->port_max);
}

const char *fz_format_service(char *buf, size_t size, const struct fz_service *service)
{
	char protocol[16], ports[16];

	fz_format_protocol(protocol, sizeof(protocol), service->protocol);
	if (service->has_ports) {
		format_ports(ports, sizeof(ports), service);
		snprintf(buf, size, "%s/%s", protocol, ports);
	} else if (service->protocol == IPPROTO_ICMP) {
		/* The word "icmp" means that of both families. */
		snprintf(buf, size, "proto/%u", service->protocol);
	} else {
		snprintf(buf, size, "%s", protocol);
	}
	return buf;
}

static bool has_whole_protocol(const struct fz_resource *res, uint8_t protocol)
{
	for (size_t i = 0; i < res->n_services; i++) {
		if (res->services[i].protocol == protocol && !res->services[i].has_ports)
			return true;
	}
	return false;
}

const char *fz_format_services(char *buf, size_t size, const struct fz_resource *res)
{
	bool icmp = has_whole_protocol(res, IPPROTO_ICMP) && has_whole_protocol(res, IPPROTO_ICMPV6);
	const struct fz_service *last = NULL;
	char word[32];
	size_t used = 0;

	snprintf(buf, size, "%s", res->n_services ? "" : "any");
	for (size_t i = 0; i < res->n_services && used < size; i++) {
		const struct fz_service *service = &res->services[i];
		const char *between = used ? " " : "";

		if (icmp && !service->has_ports && service->protocol == IPPROTO_ICMPV6)
			continue;
		if (last && last->has_ports && service->has_ports && last->protocol == service->protocol) {
			format_ports(word, sizeof(word), service);
			between = ",";
		} else if (icmp && !service->has_ports && service->protocol == IPPROTO_ICMP) {
			snprintf(word, sizeof(word), "icmp");
		} else {
			fz_format_service(word, sizeof(word), service);
		}
		last = service;
		used += (size_t)snprintf(buf + used, size - used, "%s%s", between, word);
	}
	return buf;
}

static void format_end(char *buf, size_t size, const struct fz_addr *addr, bool port, uint16_t number)
{
	char text[FZ_ADDR_TEXT_SIZE];

	fz_format_addr(text, sizeof(text), addr);
	if (!port)
		snprintf(buf, size, "%s", text);
	else if (addr->family == AF_INET6)
		snprintf(buf, size, "[%s]:%u", text, number);
	else
		snprintf(buf, size, "%s:%u", text, number);
}

const char *fz_format_tuple(char *buf, size_t size, const struct fz_tuple *tuple)
{
	char src[FZ_ENDPOINT_TEXT_SIZE], dst[FZ_ENDPOINT_TEXT_SIZE], protocol[16], icmp[40] = "";

	format_end(src, sizeof(src), &tuple->src, tuple->has_ports, tuple->sport);
	format_end(dst, sizeof(dst), &tuple->dst, tuple->has_ports, tuple->dport);
	if (tuple->has_icmp)
		snprintf(icmp, sizeof(icmp), " type %u code %u id %u", tuple->icmp_type,
			 tuple->icmp_code, tuple->icmp_id);
	snprintf(buf, size, "%s %s > %s%s",
		 fz_format_protocol(protocol, sizeof(protocol), tuple->protocol), src, dst, icmp);
	return buf;
}

const char *fz_format_tag(char *buf, size_t size, const uint8_t tag[FZ_TAG_LEN])
{
	if (size < FZ_TAG_TEXT_SIZE)
		snprintf(buf, size, "?");
	else
		sodium_bin2hex(buf, size, tag, FZ_TAG_LEN);
	return buf;
}

const char *fz_format_duration(char *buf, size_t size, uint64_t ms)
{
	static const struct {
		uint64_t seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t seconds = ms / 1000;
	size_t i;

	if (!seconds) {
		snprintf(buf, size, ms ? "<1s" : "0s");
		return buf;
	}
	for (i = 0; seconds < units[i].seconds; i++)
		;
	if (i + 1 < sizeof(units) / sizeof(units[0]) && seconds % units[i].seconds / units[i + 1].seconds)
		snprintf(buf, size, "%" PRIu64 "%c%" PRIu64 "%c", seconds / units[i].seconds, units[i].unit,
			 seconds % units[i].seconds / units[i + 1].seconds, units[i + 1].unit);
	else
		snprintf(buf, size, "%" PRIu64 "%c", seconds / units[i].seconds, units[i].unit);
	return buf;
}

const char *fz_format_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t scale = 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(buf, size, "%" PRIu64 "B", bytes);
		return buf;
	}
	while (i + 1 < sizeof(units) - 1 && bytes / scale >= 1024) {
		scale *= 1024;
		i++;
	}
	snprintf(buf, size, "%.1f%c", (double)bytes / (double)scale, units[i]);
	return buf;
}

const char *fz_format_rate(char *buf, size_t size, uint64_t bits)
{
	static const char *const units[] = { "", "k", "M", "G" };
	size_t i = 0;

	for (; i < 3 && bits && bits % 1000 == 0; i++)
		bits /= 1000;
	snprintf(buf, size, "%" PRIu64 "%sbit", bits, units[i]);
	return buf;
}
