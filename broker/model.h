/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The broker's nouns as plain C. Every id is a positive 64-bit number of the store, 0 means none.
 * Every time is in milliseconds since 1970 (UTC) and ends in _ms; leases are whole seconds and end in _s.
 */
#ifndef BROKER_MODEL_H
#define BROKER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_LEN_MAX		63	/* bytes; the kernel's limit for the name of a resource */
#define MODEL_KEY_LEN		32	/* X25519 public key */
#define MODEL_TAG_LEN		16	/* a policy's id, the tag of its grants in the kernel */
#define MODEL_HASH_LEN		32	/* SHA-256 of an invitation's token */
#define SITE_PREFIXES_MAX	64
#define RESOURCE_PREFIXES_MAX	64
#define RESOURCE_SERVICES_MAX	64
#define POLICY_REFS_MAX		64	/* groups, and resources, in one policy */
#define LEASE_MIN_S		1
#define LEASE_MAX_S		(30 * 24 * 3600)

/**
 * struct prefix - an address prefix
 * @family: AF_INET or AF_INET6
 * @bits: length; no bit of @addr is set beyond it
 * @addr: network byte order; IPv4 uses the first four bytes, the others are 0
 */
struct prefix {
	uint8_t family;
	uint8_t bits;
	uint8_t addr[16];
};

/**
 * struct service - protocol and port range
 * @proto: IP protocol number
 * @first: first port (or ICMP type)
 * @last: last one; 0-65535 means all. Protocols without ports always have 0-65535
 */
struct service {
	uint8_t proto;
	uint16_t first;
	uint16_t last;
};

/**
 * struct tuple - one flow as its opener sends it
 * @family: AF_INET or AF_INET6
 * @proto: IP protocol number
 * @src: source address; all zero when not known
 * @dst: destination address
 * @sport: host byte order; ICMP: id
 * @dport: host byte order; ICMP: type
 */
struct tuple {
	uint8_t family;
	uint8_t proto;
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t sport;
	uint16_t dport;
};

struct user {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
	bool enabled;
	int64_t created_ms;
	int64_t *groups;	/* ids, ascending */
	size_t n_groups;
};

struct group {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
	int64_t created_ms;
};

struct site {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
	bool masquerade;	/* its gateways translate source addresses of clients to their own */
	int64_t created_ms;
	struct prefix *prefixes;
	size_t n_prefixes;
};

enum device_role {
	DEVICE_CLIENT,
	DEVICE_GATEWAY,
};

struct device {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
	enum device_role role;
	int64_t user_id;	/* owner of a client, 0 for a gateway */
	int64_t site_id;	/* site of a gateway, 0 for a client */
	bool enabled;
	uint8_t control_key[MODEL_KEY_LEN];
	uint8_t tunnel_key[MODEL_KEY_LEN];
	uint32_t host;		/* number within both overlay prefixes */
	struct prefix overlay4;	/* /32 */
	struct prefix overlay6;	/* /128 */
	int64_t created_ms;
};

struct resource {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
	int64_t site_id;
	int64_t created_ms;
	struct prefix *prefixes;
	size_t n_prefixes;
	struct service *services;	/* none: every protocol and port */
	size_t n_services;
};

enum policy_action {
	POLICY_ALLOW,
	POLICY_DENY,
};

/**
 * struct window - when a policy holds
 * @days: bit 0 Monday ... bit 6 Sunday, in @zone; 0x7f every day
 * @from_min: minutes after midnight, 0..1439
 * @to_min: minutes after midnight, 1..1440, exclusive; not after @from_min: ends on the day after
 * @zone: name in the time zone database, "UTC" when the admin gave none
 *
 * A day names the day on which the window begins.
 */
struct window {
	uint8_t days;
	uint16_t from_min;
	uint16_t to_min;
	char zone[64];
};

struct timezone_info;

struct policy {
	int64_t id;
	char name[NAME_LEN_MAX + 1];
	uint8_t tag[MODEL_TAG_LEN];
	enum policy_action action;
	bool enabled;
	uint32_t lease_s;
	bool has_window;
	struct window window;
	const struct timezone_info *zone;	/* of @window; set by the directory */
	int64_t created_ms;
	int64_t *groups;	/* ids, ascending */
	size_t n_groups;
	int64_t *resources;	/* ids, ascending */
	size_t n_resources;
};

struct invitation {
	int64_t id;
	int64_t user_id;	/* for a client of this user, or */
	int64_t site_id;	/* for a gateway of this site */
	int64_t created_ms;
	int64_t expires_ms;
	int64_t used_ms;	/* 0: not yet */
	int64_t device_id;	/* what it made, 0 when not used or deleted since */
};

/**
 * struct lease - a grant as issued: this client may reach this resource through this gateway until then
 * @policy_tag: the tag its kernel grant carries
 * @request_id: the access request that it answers, for idempotence; 0 when pushed
 */
struct lease {
	int64_t id;
	int64_t device_id;
	int64_t gateway_id;	/* device id of the gateway */
	int64_t resource_id;
	int64_t policy_id;
	uint8_t policy_tag[MODEL_TAG_LEN];
	uint64_t request_id;
	int64_t issued_ms;
	int64_t expires_ms;
};

#endif
