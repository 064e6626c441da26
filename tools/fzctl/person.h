/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FZCTL_PERSON_H
#define FZCTL_PERSON_H

#define JOIN_USAGE "fzctl join INVITATION|- [--name NAME] [--control PATH] [--json]"
#define STATUS_USAGE "fzctl status [--control PATH] [--json]"
#define WHY_USAGE "fzctl why ADDRESS:PORT|RESOURCE [PROTOCOL] [--control PATH] [--json]"

int join_main(int argc, char **argv);
int status_main(int argc, char **argv);
int why_main(int argc, char **argv);

#endif
