// SPDX-License-Identifier: GPL-2.0-only
/* Finding the family, and what every request to it has in common. */
#include "nl_internal.h"
#include "key.h"
#include "rtnl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const group_names[] = {
	FZ_MCGRP_PEERS, FZ_MCGRP_FLOWS, FZ_MCGRP_DENIALS, FZ_MCGRP_POLICY,
};

static void read_group(struct fz_nl *nl, const struct nlattr *nest)
{
	struct fz_attrs attrs;
	char name[GENL_NAMSIZ];

	fz_attrs_read_nest(&attrs, nest);
	fz_attr_text(&attrs, CTRL_ATTR_MCAST_GRP_NAME, name, sizeof(name));
	for (size_t i = 0; i < sizeof(group_names) / sizeof(group_names[0]); i++) {
		if (!strcmp(name, group_names[i]))
			nl->groups[i] = fz_attr_u32(&attrs, CTRL_ATTR_MCAST_GRP_ID);
	}
}

static int read_family(const struct nlmsghdr *nlh, void *arg, struct fz_error *err)
{
	const struct nlattr *group;
	struct fz_nl *nl = arg;
	struct fz_attrs attrs;

	(void)err;
	fz_attrs_read(&attrs, nlh);
	nl->family = fz_attr_u16(&attrs, CTRL_ATTR_FAMILY_ID);
	if (attrs.found[CTRL_ATTR_MCAST_GROUPS]) {
		mnl_attr_for_each_nested(group, attrs.found[CTRL_ATTR_MCAST_GROUPS])
			read_group(nl, group);
	}
	return 0;
}

static struct nlmsghdr *begin(struct fz_nlsock *s, uint16_t family, uint8_t cmd, uint8_t version,
			      uint16_t flags)
{
	struct nlmsghdr *nlh = fz_nlsock_begin(s, family, flags);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

static int find_family(struct fz_nl *nl, struct fz_error *err)
{
	struct nlmsghdr *nlh = begin(&nl->cmd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_ACK);
	int ret;

	mnl_attr_put_strz_check(nlh, FZ_MSG_SIZE, CTRL_ATTR_FAMILY_NAME, FZ_GENL_NAME);
	ret = fz_nlsock_talk(&nl->cmd, nlh, read_family, nl, err);
	if (ret == -ENOENT)
		return fz_error_set(err, ret, "the fz module is not loaded (modprobe fz)");
	return ret;
}

/**
 * fz_nl_open - get ready to speak to the module
 * @out: receives the handle, which the caller closes
 * @err: why not
 *
 * Return: 0 or a negative errno; -ENOENT if the module is not loaded.
 */
int fz_nl_open(struct fz_nl **out, struct fz_error *err)
{
	struct fz_nl *nl = calloc(1, sizeof(*nl));
	int ret;

	if (!nl)
		return fz_error_memory(err);
	nl->poll_fd = -1;
	nl->wake_fd = -1;
	nl->kept_tail = &nl->kept_head;
	ret = fz_nlsock_open(&nl->cmd, NETLINK_GENERIC, err);
	if (!ret)
		ret = find_family(nl, err);
	if (ret) {
		fz_nl_close(nl);
		return ret;
	}
	*out = nl;
	return 0;
}

/**
 * fz_nl_close - give a handle back, and with it what it was registered for
 * @nl: may be NULL
 */
void fz_nl_close(struct fz_nl *nl)
{
	if (!nl)
		return;
	fz_nl_forget_events(nl);
	if (nl->poll_fd >= 0)
		close(nl->poll_fd);
	if (nl->wake_fd >= 0)
		close(nl->wake_fd);
	fz_nlsock_close(&nl->ev);
	fz_nlsock_close(&nl->cmd);
	free(nl);
}

/* Start a message of the family on one of the sockets. */
struct nlmsghdr *fz_nl_begin(struct fz_nl *nl, struct fz_nlsock *s, uint8_t cmd, uint16_t flags)
{
	return begin(s, nl->family, cmd, FZ_GENL_VERSION, flags);
}

/**
 * fz_nl_check_name - is this a name that a device can have?
 * @dev: the word
 * @err: why not
 *
 * Return: 0 or -EINVAL
 */
int fz_nl_check_name(const char *dev, struct fz_error *err)
{
	if (!*dev || strlen(dev) >= IFNAMSIZ || strchr(dev, '/') || strpbrk(dev, " \t\n"))
		return fz_error_set(err, -EINVAL, "\"%s\" is no name of a device (1 to %d characters)", dev,
				    IFNAMSIZ - 1);
	return 0;
}

/* The kernel refused @dev: say so in words that help. */
static int explain_device(const char *dev, int code, struct fz_error *err)
{
	struct fz_rtnl *rt = NULL;
	struct fz_link link;
	int ret;

	if (fz_rtnl_open(&rt, NULL))
		return code;
	ret = fz_rtnl_link_get(rt, dev, &link, NULL);
	fz_rtnl_close(rt);
	if (ret == -ENODEV)
		return fz_error_set(err, code, "there is no device \"%s\"", dev);
	if (!ret && !strcmp(link.kind, "wireguard"))
		return fz_error_set(err, code, "\"%s\" is a wireguard device, not an fz one: use wg for it",
				    dev);
	if (!ret && strcmp(link.kind, "fz"))
		return fz_error_set(err, code, "\"%s\" is no fz device but %s%s (wg is for wireguard devices)",
				    dev, *link.kind ? "one of kind " : "a plain interface", link.kind);
	return code;
}

/* The kernel refused because of the peer with this key: the sentence begins with it, as people write it. */
void fz_nl_name_peer(const uint8_t key[FZ_KEY_LEN], struct fz_error *err)
{
	char text[FZ_KEY_TEXT_SIZE];

	fz_key_format(text, key);
	fz_error_prefix(err, "\"%s\": ", text);
}

/* fz_nlsock_talk(), with better words for what is wrong with the device. */
int fz_nl_talk(struct fz_nl *nl, struct fz_nlsock *s, const char *dev, struct nlmsghdr *nlh,
	       fz_nlsock_fn fn, void *arg, struct fz_error *err)
{
	int ret = fz_nlsock_talk(s, nlh, fn, arg, err);

	(void)nl;
	/* What is missing is said first: a right would not help. */
	if (ret == -ENODEV || ret == -EOPNOTSUPP || ret == -EPERM)
		return explain_device(dev, ret, err);
	return ret;
}
