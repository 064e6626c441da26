/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BROKER_SCHEMA_H
#define BROKER_SCHEMA_H

#define SCHEMA_SQLITE_VERSION	3

/* Statements that lead from version i to i + 1. Never edited once released: add another. */
extern const char *const schema_sqlite[SCHEMA_SQLITE_VERSION];

#endif
