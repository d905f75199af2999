/* SPDX-License-Identifier: GPL-2.0-or-later */
/* commands.h - the subcommands. argv[0] is the subcommand's name; the result is the exit status (status.h). */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

int cmd_list(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_translate(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_exhibit(int argc, char **argv);
int cmd_bench(int argc, char **argv);

#endif
