/* SPDX-License-Identifier: GPL-2.0-only */
/* The sweep: ends flows that no packet comes for any more. */

#ifndef _FZ_AUTHZ_SWEEP_H
#define _FZ_AUTHZ_SWEEP_H

struct fz_authz;
struct work_struct;

void fz_sweep_expect(struct fz_authz *az);
void fz_sweep_init(struct fz_authz *az);
void fz_sweep_exit(struct fz_authz *az);
void fz_sweep_run(struct work_struct *work);

#endif /* _FZ_AUTHZ_SWEEP_H */
