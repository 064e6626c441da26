/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the netlink family `fz` speaks about, as plain C: what the netlink
 * client takes and returns. The enums are those of <linux/fz.h>.
 */
#ifndef FZ_TYPES_H
#define FZ_TYPES_H

#include <linux/fz.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Either family; sa.sa_family says which, 0 that there is none. */
union fz_endpoint {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* An address without a port. @family is AF_INET or AF_INET6, 0 if there is none. */
struct fz_addr {
	sa_family_t family;
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};

struct fz_prefix {
	struct fz_addr addr;
	uint8_t len;
};

struct fz_allowedip {
	struct fz_prefix prefix;
	uint32_t flags;			/* FZ_ALLOWEDIP_F_* */
};

struct fz_candidate {
	union fz_endpoint endpoint;
	uint32_t priority;
	bool heard;
	uint64_t last_heard_ms;		/* if @heard */
};

/* The mode of one direction; a device or peer has two, by enum fz_direction. */
struct fz_mode_state {
	bool present;
	uint8_t mode;			/* enum fz_mode */
	uint32_t flags;			/* FZ_MODE_F_* */
};

#define FZ_DIRECTIONS 2

/* Which members of a struct fz_peer or fz_device hold something. */
enum {
	FZ_HAS_PRIVATE_KEY	= 1 << 0,
	FZ_HAS_PUBLIC_KEY	= 1 << 1,
	FZ_HAS_PRESHARED_KEY	= 1 << 2,
	FZ_HAS_LISTEN_PORT	= 1 << 3,
	FZ_HAS_FWMARK		= 1 << 4,
	FZ_HAS_KEEPALIVE	= 1 << 5,
	FZ_HAS_TIMEOUTS		= 1 << 6,
	FZ_HAS_MAX_FLOWS	= 1 << 7,
};

/**
 * struct fz_peer - one peer of a device, read or to be set
 * @has: FZ_HAS_*; set by the reader, and by the caller for what is to change
 * @flags: FZ_PEER_F_*, only when setting
 * @endpoint: sa_family 0 if there is none
 * @keepalive: seconds, 0 is off
 * @last_handshake: the wall clock, 0 if never
 * @allowedips: owned by the peer, see fz_peer_add_allowedip()
 */
struct fz_peer {
	uint32_t has;
	uint32_t flags;
	uint8_t public_key[FZ_KEY_LEN];
	uint8_t preshared_key[FZ_KEY_LEN];
	union fz_endpoint endpoint;
	uint16_t keepalive;
	struct {
		int64_t sec;
		int64_t nsec;
	} last_handshake;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	struct fz_allowedip *allowedips;
	size_t n_allowedips;
	struct fz_candidate *candidates;
	size_t n_candidates;
	struct fz_mode_state mode[FZ_DIRECTIONS];
};

/* Seconds after which a silent flow ends; 0 leaves one as it is. */
struct fz_timeouts {
	uint32_t tcp_opening, tcp_established, tcp_closing;
	uint32_t udp_new, udp_answered;
	uint32_t icmp, other;
};

/**
 * struct fz_device - a device, read or to be set
 * @name: always
 * @has: as in struct fz_peer
 * @flags: FZ_DEVICE_F_*, only when setting
 * @peers: owned by the device, see fz_device_add_peer()
 */
struct fz_device {
	char name[IFNAMSIZ];
	uint32_t ifindex;
	uint32_t has;
	uint32_t flags;
	uint8_t private_key[FZ_KEY_LEN];
	uint8_t public_key[FZ_KEY_LEN];
	uint16_t listen_port;
	uint32_t fwmark;
	struct fz_mode_state mode[FZ_DIRECTIONS];
	struct fz_prefix *ask_prefixes;
	size_t n_ask_prefixes;
	struct fz_timeouts timeouts;
	uint32_t max_flows;
	struct fz_peer *peers;
	size_t n_peers;
};

struct fz_device *fz_device_new(const char *name);
void fz_device_free(struct fz_device *dev);
struct fz_peer *fz_device_add_peer(struct fz_device *dev);
struct fz_peer *fz_device_find_peer(const struct fz_device *dev, const uint8_t public_key[FZ_KEY_LEN]);
int fz_device_add_ask_prefix(struct fz_device *dev, const struct fz_prefix *prefix);
int fz_peer_add_allowedip(struct fz_peer *peer, const struct fz_prefix *prefix, uint32_t flags);
int fz_peer_add_candidate(struct fz_peer *peer, const struct fz_candidate *candidate);
void fz_device_sort(struct fz_device *dev);

/**
 * struct fz_service - a protocol, and perhaps a range of ports or ICMP types
 * @protocol: IP protocol number; the word "icmp" stands for two services, one
 *	of each family
 * @has_ports: whether @port_min and @port_max count; otherwise all
 */
struct fz_service {
	uint8_t protocol;
	bool has_ports;
	uint16_t port_min;
	uint16_t port_max;
};

struct fz_resource {
	char name[FZ_NAME_MAX + 1];
	struct fz_prefix *prefixes;
	size_t n_prefixes;
	struct fz_service *services;
	size_t n_services;
	uint32_t grants;		/* only read */
};

int fz_resource_add_prefix(struct fz_resource *res, const struct fz_prefix *prefix);
int fz_resource_add_service(struct fz_resource *res, const struct fz_service *service);
void fz_resource_clear(struct fz_resource *res);
void fz_resources_free(struct fz_resource *list, size_t n);

/**
 * struct fz_grant - who may, or may not, reach what
 * @any: for any peer; else @peer is its public key
 * @has_lease: @lease_ms counts, milliseconds from now; else it does not end
 * @quota, @rate, @flow_rate: 0 is no limit
 * @quota_used, @packets, @bytes, @flows: only read
 */
struct fz_grant {
	bool any;
	uint8_t peer[FZ_KEY_LEN];
	char resource[FZ_NAME_MAX + 1];
	uint8_t direction;		/* enum fz_direction */
	uint8_t action;			/* enum fz_action */
	bool has_lease;
	bool has_tag;
	uint64_t lease_ms;
	uint8_t tag[FZ_TAG_LEN];
	uint64_t quota;
	uint64_t quota_used;
	uint64_t rate;
	uint32_t flow_rate;
	uint64_t packets;
	uint64_t bytes;
	uint32_t flows;
};

/**
 * struct fz_tuple - what a flow is known by
 * @sport, @dport: host byte order; for ICMP see @icmp_id
 */
struct fz_tuple {
	uint8_t protocol;
	bool has_ports;
	bool has_icmp;
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint16_t icmp_id;
	uint16_t sport;
	uint16_t dport;
	struct fz_addr src;
	struct fz_addr dst;
};

struct fz_flow {
	uint8_t peer[FZ_KEY_LEN];
	bool has_tag;
	bool has_lease;
	uint8_t direction;		/* enum fz_direction */
	uint8_t state;			/* enum fz_flow_state */
	uint8_t end;			/* enum fz_flow_end */
	uint8_t observed;		/* enum fz_reason */
	struct fz_tuple tuple;
	char resource[FZ_NAME_MAX + 1];	/* "" if no grant admitted it */
	uint8_t tag[FZ_TAG_LEN];
	uint64_t orig_packets, orig_bytes;
	uint64_t reply_packets, reply_bytes;
	uint64_t age_ms;
	uint64_t timeout_ms;
	uint64_t lease_ms;
};

/* One question about one flow, and what was answered. */
struct fz_decision {
	bool has_peer;
	bool has_grant;
	bool has_tag;
	uint8_t peer[FZ_KEY_LEN];
	uint8_t direction;		/* enum fz_direction */
	uint8_t verdict;		/* enum fz_verdict */
	uint8_t reason;			/* enum fz_reason */
	uint8_t mode;			/* enum fz_mode */
	struct fz_tuple tuple;
	struct fz_grant grant;
	uint64_t id;
	uint32_t ttl_ms;
	uint8_t tag[FZ_TAG_LEN];
	char resource[FZ_NAME_MAX + 1];
};

#define FZ_REASONS_MAX 32

struct fz_reason_count {
	uint64_t packets;		/* refused */
	uint64_t observed;		/* passed, would have been refused */
};

struct fz_stats {
	uint32_t peers, resources, grants, flows;
	uint64_t flows_created, flows_evicted;
	uint64_t requests, requests_suppressed;
	uint64_t events_suppressed, sideband_dropped;
	uint64_t generation;
	struct fz_reason_count refused[FZ_DIRECTIONS][FZ_REASONS_MAX];
};

#endif
