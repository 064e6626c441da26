/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink messages made by hand, right and wrong ones, and what the kernel says to them. */

#ifndef FZ_TEST_MESSAGE_H
#define FZ_TEST_MESSAGE_H

#include <libmnl/libmnl.h>
#include <linux/fz.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEV "fz0"
#define MESSAGE_MAX (128 * 1024)

/**
 * struct message - a request under construction
 * @nlh: its header, at the beginning of @bytes
 */
struct message {
	struct nlmsghdr *nlh;
	_Alignas(struct nlmsghdr) char bytes[MESSAGE_MAX];
};

/**
 * struct answer - what the kernel said to a request
 * @error: 0 or an errno
 * @sentence: of the refusal; empty if there was none
 * @offset: of the offending attribute from the beginning of the message; 0 if none was named
 * @interrupted: a dump carried NLM_F_DUMP_INTR
 * @messages: that came before the end
 */
struct answer {
	int error;
	char sentence[256];
	uint32_t offset;
	bool interrupted;
	unsigned int messages;
};

typedef void (*message_fn)(const struct nlmsghdr *nlh, void *arg);

struct mnl_socket *sock_open(void);
void sock_join(struct mnl_socket *sock, const char *group);
/* As sock_join(), but returns 0 or the errno. */
int sock_try_join(struct mnl_socket *sock, const char *group);

struct message *request(enum fz_cmd cmd);
void put_u8(struct message *m, int type, uint8_t value);
void put_u16(struct message *m, int type, uint16_t value);
void put_u32(struct message *m, int type, uint32_t value);
void put_u64(struct message *m, int type, uint64_t value);
void put_bytes(struct message *m, int type, const void *data, size_t len);
void put_string(struct message *m, int type, const char *value);
struct nlattr *nest(struct message *m, int type);
void end(struct message *m, struct nlattr *nest);
uint32_t offset_of(const struct message *m, const struct nlattr *attr);

/* As send_request(), but returns 0 or the errno. */
int try_request(struct mnl_socket *sock, struct message *m, int flags);
void send_request(struct mnl_socket *sock, struct message *m, int flags);
struct answer read_answer(struct mnl_socket *sock, message_fn fn, void *arg);
struct answer do_request(struct mnl_socket *sock, struct message *m);
struct answer dump(struct mnl_socket *sock, struct message *m, message_fn fn, void *arg);
bool read_event(struct mnl_socket *sock, int cmd, message_fn fn, void *arg);
int command_of(const struct nlmsghdr *nlh);

/* What set-device begins with, a peer that is still open, and an allowed IP of it. */
struct message *set_device(void);
struct nlattr *put_peer(struct message *m, unsigned int number);
void put_allowedip(struct message *m, const char *addr, uint8_t len, uint32_t flags);

/* What requests about policy begin with, resource 10.0.NUMBER.0/24, grant to a peer or, if 0, to any. */
struct message *policy_request(enum fz_cmd cmd);
struct nlattr *put_resource(struct message *m, const char *name, uint8_t number);
struct nlattr *put_grant(struct message *m, int peer, const char *resource);

void key_of(uint8_t key[FZ_KEY_LEN], unsigned int number);

/* Prints where and what, and makes the test fail. */
bool failed(const char *file, int line, const char *what);
bool expect_answer(const char *file, int line, struct answer answer, int error,
		   const char *sentence);

#define EXPECT(condition) do {						\
		if (!(condition))					\
			return failed(__FILE__, __LINE__, #condition);	\
	} while (0)
#define EXPECT_REFUSED(answer, error, sentence) do {				\
		if (!expect_answer(__FILE__, __LINE__, answer, error, sentence))	\
			return false;						\
	} while (0)
#define EXPECT_OK(answer) EXPECT_REFUSED(answer, 0, "")

/* The device's state as text, to compare before and after. */
char *snapshot(struct mnl_socket *sock);

typedef bool (*test_fn)(struct mnl_socket *sock);

typedef bool (*here_fn)(struct mnl_socket *sock, int fd, pid_t stranger);
typedef bool (*there_fn)(int fd);

/* Runs @here, and @there as root of namespaces of users and networks made for it: at the same time. */
bool beside_stranger(struct mnl_socket *sock, here_fn here, there_fn there);
/* The other process has come as far as this. */
bool meet(int fd);

/**
 * struct test - one test; a device "fz0" that is up and enforces exists while it runs
 * @name: what it shows
 * @run: returns whether it passed
 */
struct test {
	const char *name;
	test_fn run;
};

extern const struct test device_tests[];
extern const struct test policy_tests[];
extern const struct test epoch_tests[];
extern const struct test event_tests[];
extern const struct test fault_tests[];

/* Whether this kernel lets an allocation fail when it is told to. */
bool faults_possible(void);

#endif
