// SPDX-License-Identifier: GPL-2.0-only
/* Resources, grants and epochs. */
#include "nl_internal.h"
#include "key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One more zeroed element; the list grows when its length is a power of two. NULL if out of memory. */
void *fz_list_append(void **list, size_t *n, size_t size)
{
	void *grown, *element;

	if (!(*n & (*n - 1))) {
		grown = reallocarray(*list, *n ? 2 * *n : 1, size);
		if (!grown)
			return NULL;
		*list = grown;
	}
	element = (char *)*list + *n * size;
	memset(element, 0, size);
	(*n)++;
	return element;
}

static struct nlmsghdr *begin(struct fz_nl *nl, uint8_t cmd, uint16_t flags, const char *dev)
{
	struct nlmsghdr *nlh = fz_nl_begin(nl, &nl->cmd, cmd, flags);

	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, FZ_POLICY_A_IFNAME, dev);
	return nlh;
}

/*
 * What one kind of object needs to be sent in numbers.
 * @put: appends the object, false if the message is full
 * @name: the word that a refusal is about
 * @peer: attribute of the object that holds a peer's key, which then is the word; 0 for none
 */
struct object_kind {
	uint8_t cmd;
	bool (*put)(struct nlmsghdr *nlh, const void *object);
	const char *(*name)(const void *object);
	size_t size;
	uint16_t peer;
};

static bool holds(const struct nlmsghdr *nlh, const struct nlattr *attr, uint32_t offset)
{
	uint32_t start = (uint32_t)((const char *)attr - (const char *)nlh);

	return offset >= start && offset < start + attr->nla_len;
}

/*
 * Which object of the message holds the byte that the kernel complained about.
 * @peer: receives the key when it is that of the object's peer
 */
static size_t object_at(const struct nlmsghdr *nlh, uint32_t offset, const struct object_kind *kind,
			const struct nlattr **peer)
{
	const struct nlattr *attr, *inner;
	size_t index = 0;

	*peer = NULL;
	if (!offset)
		return FZ_NO_OBJECT;
	mnl_attr_for_each(attr, nlh, 4) {
		if (mnl_attr_get_type(attr) == FZ_POLICY_A_IFNAME)
			continue;
		if (!holds(nlh, attr, offset)) {
			index++;
			continue;
		}
		mnl_attr_for_each_nested(inner, attr) {
			if (kind->peer && mnl_attr_get_type(inner) == kind->peer && holds(nlh, inner, offset))
				*peer = inner;
		}
		return index;
	}
	return FZ_NO_OBJECT;
}

/*
 * Send objects, as many to a message as fit. Each message is applied whole or
 * not at all; those before the one that is refused have been applied.
 */
static int send_objects(struct fz_nl *nl, const char *dev, const struct object_kind *kind,
			const void *list, size_t n, struct fz_error *err)
{
	size_t first = 0, i = 0;
	int ret;

	ret = fz_nl_check_name(dev, err);
	while (!ret && i < n) {
		struct nlmsghdr *nlh = begin(nl, kind->cmd, NLM_F_ACK, dev);
		const struct nlattr *peer;
		size_t at;

		first = i;
		while (i < n && kind->put(nlh, (const char *)list + i * kind->size))
			i++;
		if (i == first) {
			ret = fz_error_set(err, -EMSGSIZE,
					   "\"%s\" is too large for a message (some %d IPv4 or %d IPv6 prefixes)",
					   kind->name((const char *)list + i * kind->size),
					   /* their attributes' sizes */
					   FZ_MSG_SIZE / 20, FZ_MSG_SIZE / 32);
			if (err)
				err->object = i;
			return ret;
		}
		ret = fz_nl_talk(nl, &nl->cmd, dev, nlh, NULL, NULL, err);
		if (!ret)
			continue;
		at = object_at(nlh, nl->cmd.err_offset, kind, &peer);
		if (at == FZ_NO_OBJECT && i - first == 1)
			at = 0;
		if (err && at != FZ_NO_OBJECT && ret != -ENODEV && ret != -EOPNOTSUPP && ret != -EPERM) {
			if (peer)
				fz_nl_name_peer(mnl_attr_get_payload(peer), err);
			else
				fz_error_prefix(err, "\"%s\": ",
						kind->name((const char *)list + (first + at) * kind->size));
			err->object = first + at;
		}
	}
	return ret;
}

static bool put_resource(struct nlmsghdr *nlh, const void *object)
{
	return fz_put_resource(nlh, FZ_POLICY_A_RESOURCE, object, false);
}

static bool put_resource_name(struct nlmsghdr *nlh, const void *object)
{
	return fz_put_resource(nlh, FZ_POLICY_A_RESOURCE, object, true);
}

static const char *resource_name(const void *object)
{
	return ((const struct fz_resource *)object)->name;
}

static bool put_grant(struct nlmsghdr *nlh, const void *object)
{
	return fz_put_grant(nlh, FZ_POLICY_A_GRANT, object, false);
}

static bool put_grant_key(struct nlmsghdr *nlh, const void *object)
{
	return fz_put_grant(nlh, FZ_POLICY_A_GRANT, object, true);
}

static const char *grant_name(const void *object)
{
	return ((const struct fz_grant *)object)->resource;
}

/**
 * fz_nl_resource_add - add resources, or replace those of the same name
 * @nl: the handle
 * @dev: the device
 * @list: the resources
 * @n: how many; they go in as few messages as possible
 * @err: why not; its object is the one that was refused, and what came before
 *	the message that holds it was applied
 *
 * Return: 0 or a negative errno
 */
int fz_nl_resource_add(struct fz_nl *nl, const char *dev, const struct fz_resource *list, size_t n,
		       struct fz_error *err)
{
	static const struct object_kind kind = {
		FZ_CMD_NEW_RESOURCE, put_resource, resource_name, sizeof(*list), 0
	};

	return send_objects(nl, dev, &kind, list, n, err);
}

/**
 * fz_nl_resource_del - remove resources, and the grants that name them
 * @nl: the handle
 * @dev: the device
 * @list: of each, only the name counts
 * @n: how many
 * @err: as in fz_nl_resource_add()
 *
 * Return: 0 or a negative errno; -ENOENT if there is none of that name
 */
int fz_nl_resource_del(struct fz_nl *nl, const char *dev, const struct fz_resource *list, size_t n,
		       struct fz_error *err)
{
	static const struct object_kind kind = {
		FZ_CMD_DEL_RESOURCE, put_resource_name, resource_name, sizeof(*list), 0
	};

	return send_objects(nl, dev, &kind, list, n, err);
}

/**
 * fz_nl_grant_add - add grants, or renew those of the same peer, resource and direction
 * @nl: the handle
 * @dev: the device
 * @list: the grants
 * @n: how many
 * @err: as in fz_nl_resource_add()
 *
 * Return: 0 or a negative errno
 */
int fz_nl_grant_add(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
		    struct fz_error *err)
{
	static const struct object_kind kind = {
		FZ_CMD_NEW_GRANT, put_grant, grant_name, sizeof(*list), FZ_GRANT_A_PEER
	};

	return send_objects(nl, dev, &kind, list, n, err);
}

/**
 * fz_nl_grant_del - remove grants
 * @nl: the handle
 * @dev: the device
 * @list: of each, peer, resource and direction count
 * @n: how many
 * @err: as in fz_nl_resource_add()
 *
 * Return: 0 or a negative errno; -ENOENT if there is no such grant
 */
int fz_nl_grant_del(struct fz_nl *nl, const char *dev, const struct fz_grant *list, size_t n,
		    struct fz_error *err)
{
	static const struct object_kind kind = {
		FZ_CMD_DEL_GRANT, put_grant_key, grant_name, sizeof(*list), FZ_GRANT_A_PEER
	};

	return send_objects(nl, dev, &kind, list, n, err);
}

struct resource_dump {
	struct fz_resource *list;
	size_t n;
};

static int read_resources(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct resource_dump *dump = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		struct fz_resource *res;
		struct fz_attrs attrs;
		char name[FZ_NAME_MAX + 1];

		if (mnl_attr_get_type(attr) != FZ_POLICY_A_RESOURCE)
			continue;
		/* A large one is continued under the same name. */
		fz_attrs_read_nest(&attrs, attr);
		fz_attr_text(&attrs, FZ_RESOURCE_A_NAME, name, sizeof(name));
		res = dump->n ? &dump->list[dump->n - 1] : NULL;
		if (!res || strcmp(res->name, name))
			res = fz_list_append((void **)&dump->list, &dump->n, sizeof(*res));
		if (!res || fz_get_resource(attr, res))
			return fz_error_memory(err);
	}
	return 0;
}

/**
 * fz_nl_resource_list - all resources of a device
 * @nl: the handle
 * @dev: the device
 * @list: receives an array for fz_resources_free()
 * @n: receives how many
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_resource_list(struct fz_nl *nl, const char *dev, struct fz_resource **list, size_t *n,
			struct fz_error *err)
{
	struct resource_dump dump = { 0 };
	int ret;

	ret = fz_nl_check_name(dev, err);
	for (int tries = 0; !ret; tries++) {
		ret = fz_nl_talk(nl, &nl->cmd, dev, begin(nl, FZ_CMD_GET_RESOURCE, NLM_F_DUMP, dev),
				 read_resources, &dump, err);
		if (ret || !nl->cmd.interrupted)
			break;
		if (tries == FZ_DUMP_RETRIES)
			ret = fz_error_set(err, -EBUSY, "the resources of \"%s\" change all the time", dev);
		fz_resources_free(dump.list, dump.n);
		memset(&dump, 0, sizeof(dump));
	}
	if (ret) {
		fz_resources_free(dump.list, dump.n);
		return ret;
	}
	*list = dump.list;
	*n = dump.n;
	return 0;
}

struct grant_dump {
	struct fz_grant *list;
	size_t n;
};

static int read_grants(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	struct grant_dump *dump = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, 4) {
		struct fz_grant *grant;

		if (mnl_attr_get_type(attr) != FZ_POLICY_A_GRANT)
			continue;
		grant = fz_list_append((void **)&dump->list, &dump->n, sizeof(*grant));
		if (!grant)
			return fz_error_memory(err);
		fz_get_grant(attr, grant);
	}
	return 0;
}

/**
 * fz_nl_grant_list - all grants of a device, or of one peer
 * @nl: the handle
 * @dev: the device
 * @peer: a public key; NULL for all
 * @list: receives an array for free()
 * @n: receives how many
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_grant_list(struct fz_nl *nl, const char *dev, const uint8_t *peer, struct fz_grant **list,
		     size_t *n, struct fz_error *err)
{
	struct grant_dump dump = { 0 };
	int ret;

	ret = fz_nl_check_name(dev, err);
	for (int tries = 0; !ret; tries++) {
		struct nlmsghdr *nlh = begin(nl, FZ_CMD_GET_GRANT, NLM_F_DUMP, dev);

		if (peer)
			mnl_attr_put_check(nlh, FZ_MSG_SIZE, FZ_POLICY_A_PEER, FZ_KEY_LEN, peer);
		ret = fz_nl_talk(nl, &nl->cmd, dev, nlh, read_grants, &dump, err);
		if (ret || !nl->cmd.interrupted)
			break;
		if (tries == FZ_DUMP_RETRIES)
			ret = fz_error_set(err, -EBUSY, "the grants of \"%s\" change all the time", dev);
		free(dump.list);
		memset(&dump, 0, sizeof(dump));
	}
	if (ret) {
		if (peer && ret == -ENOENT)
			fz_nl_name_peer(peer, err);
		free(dump.list);
		return ret;
	}
	*list = dump.list;
	*n = dump.n;
	return 0;
}

static int epoch(struct fz_nl *nl, const char *dev, uint8_t cmd, struct fz_error *err)
{
	int ret = fz_nl_check_name(dev, err);

	return ret ? ret : fz_nl_talk(nl, &nl->cmd, dev, begin(nl, cmd, NLM_F_ACK, dev), NULL, NULL, err);
}

/**
 * fz_nl_epoch_begin - from here, resources and grants are kept aside
 * @nl: the handle; closing it drops the epoch
 * @dev: the device
 * @err: why not
 *
 * Return: 0 or a negative errno; -EBUSY if another has begun one
 */
int fz_nl_epoch_begin(struct fz_nl *nl, const char *dev, struct fz_error *err)
{
	return epoch(nl, dev, FZ_CMD_BEGIN_EPOCH, err);
}

/**
 * fz_nl_epoch_commit - put what was kept aside in force, and remove all else, at once
 * @nl: the handle that began it
 * @dev: the device
 * @err: why not
 *
 * Return: 0 or a negative errno, and then nothing changed
 */
int fz_nl_epoch_commit(struct fz_nl *nl, const char *dev, struct fz_error *err)
{
	return epoch(nl, dev, FZ_CMD_COMMIT_EPOCH, err);
}

/**
 * fz_nl_epoch_abort - forget what was kept aside
 * @nl: the handle that began it
 * @dev: the device
 * @err: why not
 *
 * Return: 0 or a negative errno
 */
int fz_nl_epoch_abort(struct fz_nl *nl, const char *dev, struct fz_error *err)
{
	return epoch(nl, dev, FZ_CMD_ABORT_EPOCH, err);
}
