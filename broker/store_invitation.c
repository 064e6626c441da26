// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invitations, and the enrolment that uses one up. Only the hash of a token is kept: who reads the database cannot
 * enrol with it.
 */
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "store_internal.h"

static void token_hash(const uint8_t token[INVITATION_TOKEN_LEN], uint8_t hash[MODEL_HASH_LEN])
{
	crypto_hash_sha256(hash, token, INVITATION_TOKEN_LEN);
}

int store_invitation_add(struct store *store, struct invitation *invitation, uint8_t token[INVITATION_TOKEN_LEN],
			 struct fault *fault)
{
	uint8_t hash[MODEL_HASH_LEN];
	int ret;

	invitation->created_ms = store_clock();
	invitation->used_ms = invitation->device_id = 0;
	if (!invitation->user_id == !invitation->site_id)
		return fault_set(fault, -EINVAL, NULL, "an invitation is for a user or for a gateway of a site");
	if (invitation->expires_ms <= invitation->created_ms)
		return fault_set(fault, -EINVAL, "expires", "an invitation has to end in the future");
	randombytes_buf(token, INVITATION_TOKEN_LEN);
	token_hash(token, hash);
	ret = db_number(store->db, fault, &invitation->id,
			"INSERT INTO invitations (hash, user_id, site_id, created_ms, expires_ms) "
			"VALUES ($1, $2, $3, $4, $5) RETURNING id",
			DB_VALUES(db_blob(hash, sizeof(hash)), db_ref(invitation->user_id),
				  db_ref(invitation->site_id), db_int(invitation->created_ms),
				  db_int(invitation->expires_ms)));
	if (ret == -EBUSY)
		ret = fault_set(fault, -ENOENT, NULL, "who is invited does not exist (any more)");
	if (ret < 0)
		sodium_memzero(token, INVITATION_TOKEN_LEN);
	return ret > 0 ? 0 : ret;
}

int store_invitation_del(struct store *store, int64_t id, struct fault *fault)
{
	int64_t changed = 0;
	int ret = db_run(store->db, fault, &changed, "DELETE FROM invitations WHERE id = $1", DB_VALUES(db_int(id)));

	if (!ret && !changed)
		ret = fault_set(fault, -ENOENT, NULL, "there is no such invitation (any more)");
	return ret;
}

#define INVITATION_COLUMNS "id, user_id, site_id, created_ms, expires_ms, used_ms, device_id"

static void invitation_read(struct db_rows *rows, struct invitation *invitation)
{
	invitation->id = db_column_int(rows, 0);
	invitation->user_id = db_column_int(rows, 1);
	invitation->site_id = db_column_int(rows, 2);
	invitation->created_ms = db_column_int(rows, 3);
	invitation->expires_ms = db_column_int(rows, 4);
	invitation->used_ms = db_column_int(rows, 5);
	invitation->device_id = db_column_int(rows, 6);
}

int store_invitation_each(struct store *store, int (*visit)(void *context, const struct invitation *invitation),
			  void *context, struct fault *fault)
{
	struct invitation invitation;
	struct db_rows *rows;
	int ret;

	rows = db_query(store->db, fault, "SELECT " INVITATION_COLUMNS " FROM invitations ORDER BY id DESC",
			DB_VALUES());
	if (!rows)
		return -EIO;
	while ((ret = db_next(rows, fault)) > 0) {
		invitation_read(rows, &invitation);
		ret = visit(context, &invitation);
		if (ret)
			break;
	}
	db_done(rows);
	return ret;
}

/* Finds the invitation of the token and says whether it may be used now. */
static int invitation_judge(struct store *store, const struct enrolment *enrolment, int64_t now_ms,
			    struct invitation *invitation, struct fault *fault)
{
	uint8_t hash[MODEL_HASH_LEN];
	struct db_rows *rows;
	int ret;

	token_hash(enrolment->token, hash);
	rows = db_query(store->db, fault, "SELECT " INVITATION_COLUMNS " FROM invitations WHERE hash = $1",
			DB_VALUES(db_blob(hash, sizeof(hash))));
	ret = rows ? db_next(rows, fault) : -EIO;
	if (ret > 0)
		invitation_read(rows, invitation);
	db_done(rows);
	if (ret < 0)
		return ret;
	if (!ret)
		return fault_set(fault, -ENOENT, NULL, "the broker does not know this invitation");
	if (invitation->used_ms)
		return fault_set(fault, -EBUSY, NULL, "the invitation was used already");
	if (invitation->expires_ms <= now_ms)
		return fault_set(fault, -ETIME, NULL, "the invitation has expired");
	return 0;
}

/* The used_ms IS NULL is what lets exactly one of two enrolments have it, on every database. */
static int invitation_use(struct store *store, const struct invitation *invitation, const struct device *device,
			  int64_t now_ms, struct fault *fault)
{
	int64_t changed = 0;
	int ret;

	ret = db_run(store->db, fault, &changed,
		     "UPDATE invitations SET used_ms = $1, device_id = $2 WHERE id = $3 AND used_ms IS NULL",
		     DB_VALUES(db_int(now_ms), db_int(device->id), db_int(invitation->id)));
	if (!ret && changed != 1)
		ret = fault_set(fault, -EBUSY, NULL, "the invitation was used already");
	return ret;
}

/* Why an invited user may not enrol (any more). */
static int owner_judge(struct store *store, const struct invitation *invitation, struct fault *fault)
{
	int64_t enabled = 0;
	int ret;

	if (!invitation->user_id)
		return 0;
	ret = db_number(store->db, fault, &enabled, "SELECT enabled FROM users WHERE id = $1",
			DB_VALUES(db_int(invitation->user_id)));
	if (ret < 0)
		return ret;
	return enabled ? 0 : fault_set(fault, -EPERM, NULL, "the user that the invitation is for is disabled");
}

/* Numbers rise; only when the prefix is used up, those of deleted devices come again, lowest first. */
static int host_pick(struct store *store, int64_t *host, struct fault *fault)
{
	unsigned int bits = 32 - store->overlay4.bits;
	int64_t last = bits >= 32 ? INT64_C(0xfffffffe) : (INT64_C(1) << bits) - 2;
	int ret;

	*host = 0;
	ret = db_number(store->db, fault, host, "SELECT number FROM meta WHERE key = 'last_host'", DB_VALUES());
	if (ret < 0)
		return ret;
	if (*host >= last) {
		ret = db_number(store->db, fault, host,
				"SELECT min(host) FROM (SELECT 1 AS host UNION ALL SELECT host + 1 FROM devices) AS free "
				"WHERE host NOT IN (SELECT host FROM devices)", DB_VALUES());
		if (ret < 0)
			return ret;
		if (*host > last)
			return fault_set(fault, -ENOSPC, NULL, "no address of the overlay is left for another device");
		return 0;
	}
	++*host;
	return db_run(store->db, fault, NULL,
		      "INSERT INTO meta (key, number) VALUES ('last_host', $1) "
		      "ON CONFLICT (key) DO UPDATE SET number = excluded.number", DB_VALUES(db_int(*host)));
}

/* What the host calls itself becomes a name that nobody has: letters, digits and . _ -, a number when taken. */
static int name_pick(struct store *store, const char *wish, const char *fallback, char name[NAME_LEN_MAX + 1],
		     struct fault *fault)
{
	char base[NAME_LEN_MAX - 10];
	int64_t taken;
	size_t n = 0;
	int ret;

	for (; *wish && n < sizeof(base) - 1; wish++) {
		unsigned char c = (unsigned char)*wish;

		if (c < 0x80 && (isalnum(c) || (n && strchr("._-", c))))
			base[n++] = (char)c;
	}
	base[n] = '\0';
	if (!n)
		snprintf(base, sizeof(base), "%s", fallback);
	for (unsigned int i = 1; i; i++) {
		if (i == 1)
			snprintf(name, NAME_LEN_MAX + 1, "%s", base);
		else
			snprintf(name, NAME_LEN_MAX + 1, "%s-%u", base, i);
		taken = 0;
		ret = db_number(store->db, fault, &taken,
				"SELECT count(*) FROM devices WHERE lower(name) = lower($1)", DB_VALUES(db_text(name)));
		if (ret < 0 || !taken)
			return ret < 0 ? ret : 0;
	}
	return fault_set(fault, -ENOSPC, NULL, "no name is left for the device");
}

static int key_unused(struct store *store, const char *sql, const uint8_t key[MODEL_KEY_LEN], const char *sentence,
		      struct fault *fault)
{
	int64_t taken = 0;
	int ret = db_number(store->db, fault, &taken, sql, DB_VALUES(db_blob(key, MODEL_KEY_LEN)));

	if (ret < 0)
		return ret;
	return taken ? fault_set(fault, -EEXIST, NULL, "%s", sentence) : 0;
}

static int device_add(struct store *store, const struct enrolment *enrolment, const struct invitation *invitation,
		      int64_t now_ms, struct device *device, struct fault *fault)
{
	bool gateway = invitation->site_id;
	int64_t host;
	int ret;

	memset(device, 0, sizeof(*device));
	device->role = gateway ? DEVICE_GATEWAY : DEVICE_CLIENT;
	device->user_id = invitation->user_id;
	device->site_id = invitation->site_id;
	device->enabled = true;
	device->created_ms = now_ms;
	memcpy(device->control_key, enrolment->control_key, MODEL_KEY_LEN);
	memcpy(device->tunnel_key, enrolment->tunnel_key, MODEL_KEY_LEN);
	ret = key_unused(store, "SELECT count(*) FROM devices WHERE control_key = $1", enrolment->control_key,
			 "this control key is enrolled already: two agents cannot share one", fault);
	if (!ret)
		ret = key_unused(store, "SELECT count(*) FROM devices WHERE tunnel_key = $1", enrolment->tunnel_key,
				 "this tunnel key is another device's already", fault);
	if (!ret)
		ret = name_pick(store, enrolment->name, gateway ? "gateway" : "device", device->name, fault);
	if (!ret)
		ret = host_pick(store, &host, fault);
	if (ret)
		return ret;
	device->host = (uint32_t)host;
	device_addresses(store, device);
	ret = db_number(store->db, fault, &device->id,
			"INSERT INTO devices (name, role, user_id, site_id, enabled, control_key, tunnel_key, host, "
			"created_ms) VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8) RETURNING id",
			DB_VALUES(db_text(device->name), db_text(gateway ? "gateway" : "client"),
				  db_ref(device->user_id), db_ref(device->site_id),
				  db_blob(device->control_key, MODEL_KEY_LEN),
				  db_blob(device->tunnel_key, MODEL_KEY_LEN), db_int(host), db_int(now_ms)));
	return ret > 0 ? 0 : ret;
}

static int enrolment_log(struct store *store, const struct invitation *invitation, const struct device *device,
			 int64_t now_ms, struct fault *fault)
{
	char actor[NAME_LEN_MAX + 16], owner[NAME_LEN_MAX + 1] = "", text[2 * NAME_LEN_MAX + 64];
	struct audit_entry entry = { .at_ms = now_ms, .actor = actor, .action = "device.enrol",
				     .object = device->name, .device = device->name, .text = text };
	bool gateway = device->role == DEVICE_GATEWAY;
	struct db_rows *rows;
	int ret;

	rows = db_query(store->db, fault, gateway ? "SELECT name FROM sites WHERE id = $1" :
			"SELECT name FROM users WHERE id = $1",
			DB_VALUES(db_int(gateway ? device->site_id : device->user_id)));
	ret = rows ? db_next(rows, fault) : -EIO;
	if (ret > 0)
		snprintf(owner, sizeof(owner), "%s", db_column_text(rows, 0));
	db_done(rows);
	if (ret < 0)
		return ret;
	snprintf(actor, sizeof(actor), "device %s", device->name);
	snprintf(text, sizeof(text), "%s %s joined with invitation %lld", gateway ? "a gateway of site" :
		 "a client of user", owner, (long long)invitation->id);
	entry.user = gateway ? NULL : owner;
	return store_audit_add(store, &entry, fault);
}

int store_enrol(struct store *store, const struct enrolment *enrolment, int64_t now_ms, struct device *device,
		struct fault *fault)
{
	struct invitation invitation;
	int ret = db_begin(store->db, fault);

	if (ret)
		return ret;
	ret = invitation_judge(store, enrolment, now_ms, &invitation, fault);
	if (!ret)
		ret = owner_judge(store, &invitation, fault);
	if (!ret)
		ret = device_add(store, enrolment, &invitation, now_ms, device, fault);
	if (!ret)
		ret = invitation_use(store, &invitation, device, now_ms, fault);
	if (!ret)
		ret = enrolment_log(store, &invitation, device, now_ms, fault);
	if (ret)
		db_rollback(store->db);
	else
		ret = db_commit(store->db, fault);
	return ret;
}
