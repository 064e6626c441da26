/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every KUnit suite of the module, one for each unit.
 */
#ifndef _FZ_TESTS_SUITES_H
#define _FZ_TESTS_SUITES_H

#include <kunit/test.h>

extern struct kunit_suite fz_allowedips_suite;
extern struct kunit_suite fz_ask_suite;
extern struct kunit_suite fz_bundle_suite;
extern struct kunit_suite fz_cookie_suite;
extern struct kunit_suite fz_decide_suite;
extern struct kunit_suite fz_dissect_suite;
extern struct kunit_suite fz_flow_suite;
extern struct kunit_suite fz_flowtable_suite;
extern struct kunit_suite fz_fragment_suite;
extern struct kunit_suite fz_keypair_suite;
extern struct kunit_suite fz_lookup_suite;
extern struct kunit_suite fz_meter_suite;
extern struct kunit_suite fz_netlink_suite;
extern struct kunit_suite fz_noise_suite;
extern struct kunit_suite fz_path_suite;
extern struct kunit_suite fz_peer_suite;
extern struct kunit_suite fz_policy_suite;
extern struct kunit_suite fz_ratelimiter_suite;
extern struct kunit_suite fz_replay_suite;
extern struct kunit_suite fz_seal_suite;
extern struct kunit_suite fz_stall_suite;
extern struct kunit_suite fz_steady_suite;
extern struct kunit_suite fz_stress_suite;

#endif /* _FZ_TESTS_SUITES_H */
