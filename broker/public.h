/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BROKER_PUBLIC_H
#define BROKER_PUBLIC_H

#include "broker.h"

/**
 * public_avoid() - a site may not hold the broker's own address
 * @config: has --public; a name there is not looked up, and holds nothing
 * @site: its prefixes
 * @fault: which prefix it is
 *
 * Every client routes the prefixes of every site into its tunnel: its channel to the broker would go there too, and
 * nothing that the broker says then would reach it any more.
 *
 * Return: 0 or -EINVAL.
 */
int public_avoid(const struct config *config, const struct site *site, struct fault *fault);

#endif
