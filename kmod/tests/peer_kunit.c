// SPDX-License-Identifier: GPL-2.0-only
/* A peer of a real device: when its timers run out, and what is left of its secrets. */
#include <kunit/test.h>
#include <linux/if_link.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/netlink.h>

#include "compat/timer.h"
#include "compat/udp.h"
#include "tests/noise_vectors.h"
#include "tests/suites.h"
#include "tunnel/device.h"
#include "tunnel/initiate.h"
#include "tunnel/peer.h"
#include "tunnel/socket.h"
#include "tunnel/timers.h"

#define IFNAME "fz-kunit"

/**
 * struct scene - the device, and its peer
 * @dev: with a reference
 * @fz: of @dev
 * @peer: of @fz, which goes with it
 * @came: initiations that came to the test's socket
 * @was_armed: whether another one was to follow if nobody answers, when the last came
 */
struct scene {
	struct net_device *dev;
	struct fz_device *fz;
	struct fz_peer *peer;
	unsigned int came;
	bool was_armed;
};

/* Asks rtnetlink, as `ip link` would, to make or remove the device. */
static int ask_rtnl(u16 type, u16 flags)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr msg = { .msg_name = &kernel, .msg_namelen = sizeof(kernel) };
	struct nlattr *info = NULL;
	struct socket *sock;
	struct nlmsghdr *nlh;
	struct sk_buff *skb;
	struct kvec vec;
	int err;

	skb = nlmsg_new(256, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	nlh = nlmsg_put(skb, 0, 1, type, sizeof(struct ifinfomsg), NLM_F_REQUEST | flags);
	memset(nlmsg_data(nlh), 0, sizeof(struct ifinfomsg));
	err = nla_put_string(skb, IFLA_IFNAME, IFNAME);
	if (!err)
		info = nla_nest_start(skb, IFLA_LINKINFO);
	if (!info || nla_put_string(skb, IFLA_INFO_KIND, "fz")) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, info);
	nlmsg_end(skb, nlh);
	err = sock_create_kern(&init_net, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &sock);
	if (!err) {
		vec = (struct kvec){ .iov_base = skb->data, .iov_len = skb->len };
		err = kernel_sendmsg(sock, &msg, &vec, 1, skb->len);
		sock_release(sock);
	}
	nlmsg_free(skb);
	return min(err, 0);
}

static void set_link(struct net_device *dev, bool up)
{
	rtnl_lock();
	if (up)
		dev_open(dev, NULL);
	else
		dev_close(dev);
	rtnl_unlock();
}

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	test->priv = scene;
	KUNIT_ASSERT_EQ(test, ask_rtnl(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL), 0);
	scene->dev = dev_get_by_name(&init_net, IFNAME);
	KUNIT_ASSERT_NOT_NULL(test, scene->dev);
	scene->fz = netdev_priv(scene->dev);
	set_link(scene->dev, true);
	KUNIT_ASSERT_TRUE(test, netif_running(scene->dev));

	mutex_lock(&scene->fz->device_update_lock);
	fz_device_set_private_key(scene->fz, vector_initiator_private);
	scene->peer = fz_peer_create(scene->fz, vector_responder_public, vector_psk);
	mutex_unlock(&scene->fz->device_update_lock);
	KUNIT_ASSERT_FALSE(test, IS_ERR(scene->peer));
	return 0;
}

static void cleanup(struct kunit *test)
{
	struct scene *scene = test->priv;

	if (!scene || !scene->dev)
		return;
	dev_put(scene->dev);
	ask_rtnl(RTM_DELLINK, 0);
}

/* The test may be interrupted for so long between arming and looking. */
#define SLACK (5 * HZ)

/* Whether @timer runs out between @least and @most jiffies from now. */
static bool runs_out_in(const struct timer_list *timer, unsigned long least, unsigned long most)
{
	long left = timer->expires - jiffies;

	return timer_pending(timer) && left <= (long)most && left > (long)(least - SLACK);
}

static void peer_timers_have_their_times(struct kunit *test)
{
	struct fz_peer *peer = ((struct scene *)test->priv)->peer;
	const unsigned long jitter = HZ / 3;
	unsigned long least = ULONG_MAX, most = 0;

	fz_timers_data_received(peer);
	KUNIT_EXPECT_TRUE(test, runs_out_in(&peer->send_keepalive, 10 * HZ, 10 * HZ));
	KUNIT_EXPECT_FALSE(test, peer->need_another_keepalive);
	fz_timers_data_received(peer);
	KUNIT_EXPECT_TRUE(test, peer->need_another_keepalive);
	fz_timers_any_sent(peer);
	KUNIT_EXPECT_FALSE(test, timer_pending(&peer->send_keepalive));

	fz_timers_data_sent(peer);
	KUNIT_EXPECT_TRUE(test, runs_out_in(&peer->new_handshake, 15 * HZ, 15 * HZ + jitter));
	fz_timers_any_received(peer);
	KUNIT_EXPECT_FALSE(test, timer_pending(&peer->new_handshake));

	for (int i = 0; i < 100; i++) {
		fz_timers_handshake_initiated(peer);
		KUNIT_EXPECT_TRUE(test, runs_out_in(&peer->retransmit_handshake, 5 * HZ,
						    5 * HZ + jitter));
		least = min(least, peer->retransmit_handshake.expires - jiffies);
		most = max(most, peer->retransmit_handshake.expires - jiffies);
	}
	KUNIT_EXPECT_GT(test, most, least);
	timer_delete(&peer->retransmit_handshake);

	fz_timers_any_traversal(peer);
	KUNIT_EXPECT_FALSE(test, timer_pending(&peer->persistent_keepalive));
	peer->persistent_keepalive_interval = 77;
	fz_timers_any_traversal(peer);
	KUNIT_EXPECT_TRUE(test, runs_out_in(&peer->persistent_keepalive, 77 * HZ, 77 * HZ));

	fz_timers_session_derived(peer);
	KUNIT_EXPECT_TRUE(test, runs_out_in(&peer->zero_keys, 540 * HZ, 540 * HZ));
}

/* Every attempt but the last is followed by another: 90 s of them. */
static void peer_gives_up(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct timer_list *timer = &scene->peer->retransmit_handshake;
	int attempts = 0;

	KUNIT_EXPECT_EQ(test, FZ_MAX_TIMER_HANDSHAKES, 18);
	while (!timer_pending(&scene->peer->zero_keys) && attempts < 100) {
		timer->function(timer);
		attempts++;
	}
	/* The one that found that there were enough has sent nothing. */
	KUNIT_EXPECT_EQ(test, attempts, FZ_MAX_TIMER_HANDSHAKES + 2);
	KUNIT_EXPECT_TRUE(test, runs_out_in(&scene->peer->zero_keys, 540 * HZ, 540 * HZ));
	flush_workqueue(scene->fz->handshake_send_wq);
}

/* A session in use, as for a packet under way, and a handshake under way. */
static struct fz_keypair *begin(struct kunit *test)
{
	struct fz_peer *peer = ((struct scene *)test->priv)->peer;
	struct fz_device *fz = peer->device;
	struct fz_message_initiation initiation;
	struct fz_keypair *keypair = fz_keypair_create(&peer->keypairs, &fz->indextable, peer);

	KUNIT_ASSERT_NOT_NULL(test, keypair);
	KUNIT_ASSERT_EQ(test, fz_indextable_insert(&fz->indextable, &keypair->entry), 0);
	memset(keypair->sending_key, 0xaa, FZ_KEY_LEN);
	memset(keypair->receiving_key, 0x55, FZ_KEY_LEN);
	keypair->initiator = true;
	keypair->birth_ns = fz_clock_now();
	keypair->sending_valid = true;
	keypair->receiving_valid = true;
	rcu_read_lock();
	KUNIT_EXPECT_TRUE(test, fz_keypair_get(keypair));
	rcu_read_unlock();
	KUNIT_EXPECT_TRUE(test, fz_keypairs_add(&peer->keypairs, keypair));
	KUNIT_ASSERT_EQ(test, fz_handshake_create_initiation(&initiation, &peer->handshake), 0);
	fz_timers_session_derived(peer);
	return keypair;
}

static bool is_wiped(const void *memory, size_t len)
{
	return !memchr_inv(memory, 0, len);
}

static void expect_nothing_left(struct kunit *test, struct fz_keypair *keypair)
{
	struct fz_peer *peer = ((struct scene *)test->priv)->peer;

	KUNIT_EXPECT_NULL(test, (const void *)rcu_access_pointer(peer->keypairs.current_keypair));
	KUNIT_EXPECT_NULL(test, peer->handshake.ours);
	/* The one reference left is the test's; with it go the keys. */
	KUNIT_EXPECT_EQ(test, kref_read(&keypair->refcount), 1);
	rcu_read_lock();
	fz_keypair_put(keypair);
	KUNIT_EXPECT_TRUE(test, is_wiped(keypair->sending_key, FZ_KEY_LEN));
	KUNIT_EXPECT_TRUE(test, is_wiped(keypair->receiving_key, FZ_KEY_LEN));
	rcu_read_unlock();
}

static void peer_zeroes_keys_after_silence(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct timer_list *timer = &scene->peer->zero_keys;
	struct fz_keypair *keypair = begin(test);

	KUNIT_EXPECT_NOT_NULL(test, scene->peer->handshake.ours);
	timer->function(timer);
	flush_workqueue(scene->fz->handshake_send_wq);
	expect_nothing_left(test, keypair);
}

static void peer_is_wiped_with_the_link_down(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *keypair = begin(test);

	set_link(scene->dev, false);
	KUNIT_EXPECT_FALSE(test, timer_pending(&scene->peer->zero_keys));
	fz_timers_session_derived(scene->peer);
	KUNIT_EXPECT_FALSE(test, timer_pending(&scene->peer->zero_keys));
	expect_nothing_left(test, keypair);
	KUNIT_EXPECT_FALSE(test, is_wiped(scene->fz->identity.private_key, FZ_KEY_LEN));
}

/* What a machine does that was duplicated: it sends nothing that its copy could send too. */
static void peer_sends_nothing_after_a_fork(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct fz_keypair *keypair = begin(test);

	atomic64_set(&scene->peer->last_sent_handshake, fz_clock_now());
	fz_peer_expire_sessions(scene->peer);
	KUNIT_EXPECT_FALSE(test, fz_keypair_may_send(keypair));
	KUNIT_EXPECT_TRUE(test, fz_keypair_may_receive(keypair));
	KUNIT_EXPECT_NULL(test, scene->peer->handshake.ours);
	/* The next packet begins a handshake at once. */
	KUNIT_EXPECT_TRUE(test, fz_clock_expired(atomic64_read(&scene->peer->last_sent_handshake),
						 FZ_REKEY_TIMEOUT));
	fz_keypair_put(keypair);
}

/* What waited for an answer when the initiation came; who gets it could answer from here on. */
static int note_timer(struct sock *sk, struct sk_buff *skb)
{
	struct scene *scene = rcu_dereference_sk_user_data(sk);

	scene->came++;
	scene->was_armed = timer_pending(&scene->peer->retransmit_handshake);
	consume_skb(skb);
	return 0;
}

static void peer_waits_before_it_is_answered(struct kunit *test)
{
	struct udp_port_cfg port = { .family = AF_INET, .local_ip.s_addr = htonl(INADDR_LOOPBACK) };
	struct scene *scene = test->priv;
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = scene,
		.encap_type = 1,
		.encap_rcv = note_timer,
	};
	struct fz_endpoint ep = { .addr4.sin_family = AF_INET };
	struct socket *sock;

	if (!(init_net.loopback_dev->flags & IFF_UP))
		kunit_skip(test, "the loopback interface is down");
	KUNIT_ASSERT_EQ(test, udp_sock_create(&init_net, &port, &sock), 0);
	fz_compat_udp_setup(&init_net, sock, &cfg);
	ep.addr4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ep.addr4.sin_port = inet_sk(sock->sk)->inet_sport;
	fz_socket_set_peer_endpoint(scene->peer, &ep);
	fz_initiate_handshake(scene->peer, false);
	flush_workqueue(scene->fz->handshake_send_wq);
	fz_compat_udp_release(sock->sk);
	KUNIT_EXPECT_EQ(test, scene->came, 1);
	KUNIT_EXPECT_TRUE(test, scene->was_armed);
}

static void peer_number_is_bounded(struct kunit *test)
{
	struct fz_device *fz = ((struct scene *)test->priv)->fz;
	unsigned int before = fz->num_peers;

	KUNIT_EXPECT_EQ(test, FZ_MAX_PEERS, 1U << 20);
	mutex_lock(&fz->device_update_lock);
	fz->num_peers = FZ_MAX_PEERS;
	KUNIT_EXPECT_EQ(test, PTR_ERR(fz_peer_create(fz, vector_initiator_ephemeral_private,
						     vector_psk)), -ENOSPC);
	fz->num_peers = before;
	mutex_unlock(&fz->device_update_lock);
}

static struct kunit_case peer_cases[] = {
	KUNIT_CASE(peer_timers_have_their_times),
	KUNIT_CASE(peer_gives_up),
	KUNIT_CASE(peer_zeroes_keys_after_silence),
	KUNIT_CASE(peer_is_wiped_with_the_link_down),
	KUNIT_CASE(peer_sends_nothing_after_a_fork),
	KUNIT_CASE(peer_waits_before_it_is_answered),
	KUNIT_CASE(peer_number_is_bounded),
	{}
};

struct kunit_suite fz_peer_suite = {
	.name = "fz_peer",
	.init = init,
	.exit = cleanup,
	.test_cases = peer_cases,
};
