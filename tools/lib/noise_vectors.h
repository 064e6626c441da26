/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published vectors of Noise_IK_25519_ChaChaPoly_SHA512.
 *
 * cacophony: vectors/cacophony.txt of the Noise implementation of that name.
 * noise-c: tests/vector/noise-c-basic.txt of the implementation of that name.
 * Both use the same keys and payloads, and different prologues. Messages go
 * in turn, the initiator's first; the first two are the handshake. @hash is h
 * after as many messages as @hash_after says: cacophony's file has it after the
 * first, noise-c's at the end of the handshake.
 */
#ifndef FZ_NOISE_VECTORS_H
#define FZ_NOISE_VECTORS_H

#define NOISE_VECTOR_MESSAGES 6

struct noise_vector {
	const char *name;
	const char *prologue;
	const char *init_static, *init_ephemeral;
	const char *resp_static, *resp_ephemeral, *resp_static_public;
	const char *hash;
	unsigned int hash_after;
	struct {
		const char *payload;
		const char *ciphertext;
	} messages[NOISE_VECTOR_MESSAGES];
};

static const struct noise_vector noise_vectors[] = {
	{
		.name = "cacophony",
		.prologue = "4a6f686e2047616c74",
		.init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
		.init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
		.resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
		.resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
		.resp_static_public =
			"31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
		.hash = "d062b57b128beb3cb6f0b33731520e33083d86fcc0a9b25603b1a0366d13d8d0"
			"1a03980c71a7efa5b119715046052c1f8e4500e2c3fb8c20695d0c2d69971252",
		.hash_after = 1,
		.messages = {
			{
				"4c756477696720766f6e204d69736573",
				"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
				"7a2281c0f1aee0c48c41333a1abbb349ee4bf12e09f8c4fd66635aabbb7dad34"
				"6081a79f59e2cef812260cfe8c9e6a99d12f7c7ffc9fe5513818d9cf9b8778d1"
				"ebd1ce70c8f726d7869830258a788910",
			},
			{
				"4d757272617920526f746862617264",
				"95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
				"f58050451a0edd2a40bb8b0f6b51ea8094a07e3ed31ebc516b584fef6eaaaf",
			},
			{
				"462e20412e20486179656b",
				"cae0b6af5460d026e80e22c27572a92048176872538f91a056a8df",
			},
			{
				"4361726c204d656e676572",
				"ab1440d2b5892c638a11a7fa6412beaea5cee62342147f02d75a68",
			},
			{
				"4a65616e2d426170746973746520536179",
				"0263ed778a193155c9947202e0b9d35eb46581a902449d091e1b6575a9a59fbeff",
			},
			{
				"457567656e2042f6686d20766f6e2042617765726b",
				"95aedd9192351379cb063c8d5827d5529c7f2c8929552dd64c57029734737ea2"
				"a405255dcf",
			},
		},
	},
	{
		.name = "noise-c",
		.prologue = "50726f6c6f677565313233",
		.init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
		.init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
		.resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
		.resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
		.resp_static_public =
			"31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
		.hash = "48d8b650f042c4767cf1f3c26b22ccdd4bc8cff341166603109954eab8a9bd20"
			"915d284b6b618a325e93a8e949a23f4b62ba3094aad0b640c14cbd4f14ccd1e1",
		.hash_after = 2,
		.messages = {
			{
				"4c756477696720766f6e204d69736573",
				"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
				"7a2281c0f1aee0c48c41333a1abbb349ee4bf12e09f8c4fd66635aabbb7dad34"
				"5826d359e4bd6ebee659f5c6cb3d2d4ed12f7c7ffc9fe5513818d9cf9b8778d1"
				"502f90649c42ab4a1e3df7199a3d6a13",
			},
			{
				"4d757272617920526f746862617264",
				"95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
				"f58050451a0edd2a40bb8b0f6b51ea63e1f1f429f1afd583e5d6e53f44da1e",
			},
			{
				"462e20412e20486179656b",
				"cae0b6af5460d026e80e22c27572a92048176872538f91a056a8df",
			},
			{
				"4361726c204d656e676572",
				"ab1440d2b5892c638a11a7fa6412beaea5cee62342147f02d75a68",
			},
		},
	},
};

#endif
