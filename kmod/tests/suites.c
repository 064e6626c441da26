// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module can hand KUnit its suites once only: all of them, here.
 */
#include "tests/suites.h"

kunit_test_suites(
	&fz_allowedips_suite,
	&fz_ask_suite,
	&fz_bundle_suite,
	&fz_cookie_suite,
	&fz_decide_suite,
	&fz_dissect_suite,
	&fz_flow_suite,
	&fz_flowtable_suite,
	&fz_fragment_suite,
	&fz_keypair_suite,
	&fz_lookup_suite,
	&fz_meter_suite,
	&fz_netlink_suite,
	&fz_noise_suite,
	&fz_path_suite,
	&fz_peer_suite,
	&fz_policy_suite,
	&fz_ratelimiter_suite,
	&fz_replay_suite,
	&fz_seal_suite,
	&fz_stall_suite,
	&fz_steady_suite,
	&fz_stress_suite
);
