/*
 * A stand-in for HPE's ilorest_chif.dll, for tests under Wine: the functions that
 * package chif calls, on a TCP connection to a simulated iLO (ilosim --listen
 * tcp:127.0.0.1:PORT) whose address is in the environment variable
 * ILOD_TEST_CHIF, or for services in the registry. Return codes and slices of time are as PROTOCOL.md §6
 * saw them of HPE's library on Linux. It is never shipped.
 */
#include <winsock2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __declspec(dllexport)
#define MAX_PACKET 4096
#define SLICE 6000 /* ms */

enum { OK = 0, NO_DRIVER = 2, BAD_COMMAND = 8, SILENT = 11, INVALID = 22, BROKEN = 32, RANGE = 34, PROTOCOL = 71 };

struct channel {
	SOCKET socket;
	uint32_t timeout; /* ms */
	int open, broken;
};

static int secure = 1;

static int find_ilo(char *address, DWORD size) {
	DWORD n, room = size;
	/* The environment of services is that of Wine's first program. */
	if (RegGetValueA(HKEY_LOCAL_MACHINE, "Software\\ilod", "ILOD_TEST_CHIF", RRF_RT_REG_SZ, NULL, address, &room) == ERROR_SUCCESS)
		return 1;
	n = GetEnvironmentVariableA("ILOD_TEST_CHIF", address, size);
	return n > 0 && n < size;
}

static uint16_t u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static int send_all(SOCKET s, const uint8_t *p, int n) {
	while (n > 0) {
		int sent = send(s, (const char *)p, n, 0);
		if (sent <= 0)
			return 0;
		p += sent, n -= sent;
	}
	return 1;
}

/* One packet in a frame: its length in two bytes, then itself. */
static int send_packet(SOCKET s, const uint8_t *p, int n) {
	uint8_t frame[2 + MAX_PACKET] = {(uint8_t)n, (uint8_t)(n >> 8)};
	memcpy(frame + 2, p, n);
	return send_all(s, frame, n + 2);
}

static int receive_all(SOCKET s, uint8_t *p, int n) {
	while (n > 0) {
		int got = recv(s, (char *)p, n, 0);
		if (got <= 0)
			return 0;
		p += got, n -= got;
	}
	return 1;
}

static uint32_t exchange(struct channel *c, const uint8_t *request, int length, uint8_t *response, uint32_t size, uint32_t slices) {
	if (c->broken || !send_packet(c->socket, request, length))
		return c->broken = 1, BROKEN;
	while (slices-- > 0) {
		ULONGLONG end = GetTickCount64() + SLICE;
		for (;;) { /* a packet of another sequence does not use up the slice */
			ULONGLONG now = GetTickCount64();
			LONGLONG left = now < end ? (LONGLONG)(end - now) : 0;
			struct timeval wait = {(long)(left / 1000), (long)(left % 1000 * 1000)};
			fd_set set;
			uint8_t prefix[2], packet[MAX_PACKET];
			FD_ZERO(&set);
			FD_SET(c->socket, &set);
			if (select(0, &set, NULL, NULL, &wait) == 0)
				break;
			if (!receive_all(c->socket, prefix, 2) || u16(prefix) > MAX_PACKET || !receive_all(c->socket, packet, u16(prefix)))
				return c->broken = 1, BROKEN;
			if (u16(prefix) < 8 || u16(packet) > u16(prefix))
				return PROTOCOL;
			if (u16(packet + 2) == 0 && u16(packet + 4) == 0xFFFF)
				return NO_DRIVER; /* the simulator's word for a channel that is not to be had */
			if (u16(packet + 2) != u16(request + 2))
				continue;
			if (u16(packet) > size)
				return RANGE;
			memcpy(response, packet, u16(prefix) < size ? u16(prefix) : size);
			return u16(packet + 4) == 0xFFFF ? BAD_COMMAND : OK;
		}
	}
	return SILENT;
}

EXPORT uint32_t ChifInitialize(void *callback) {
	WSADATA data;
	(void)callback;
	return WSAStartup(MAKEWORD(2, 2), &data);
}

EXPORT void ChifDisableSecurity(void) { secure = 0; }

EXPORT uint32_t ChifCreate(void **handle) {
	struct channel *c = calloc(1, sizeof *c);
	if (c == NULL)
		return 12;
	c->timeout = 3 * SLICE;
	*handle = c;
	return OK;
}

EXPORT uint32_t ChifPing(struct channel *c) {
	static const uint8_t ping[16] = {16, 0, 0xEE, 0xFF, 0xFF, 0x0F};
	uint8_t answer[16];
	if (!c->open) {
		char address[64];
		struct sockaddr_in to = {.sin_family = AF_INET};
		char *port = find_ilo(address, sizeof address) ? strchr(address, ':') : NULL;
		if (secure || port == NULL)
			return secure ? 13 : NO_DRIVER;
		*port++ = 0;
		to.sin_addr.s_addr = inet_addr(address);
		to.sin_port = htons((u_short)atoi(port));
		c->socket = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(c->socket, (struct sockaddr *)&to, sizeof to) != 0) {
			closesocket(c->socket);
			return NO_DRIVER;
		}
		c->open = 1;
	}
	uint32_t code = exchange(c, ping, sizeof ping, answer, sizeof answer, 2);
	if (code == NO_DRIVER)
		Sleep(2000); /* HPE's library tries for 8 s */
	return code;
}

EXPORT uint32_t ChifSetRecvTimeout(struct channel *c, uint32_t ms) {
	c->timeout = ms == 0 ? 3 * SLICE : ms;
	return OK;
}

EXPORT uint32_t ChifPacketExchange(struct channel *c, const uint8_t *request, uint8_t *response, uint32_t size) {
	int length = u16(request);
	if (length < 8 || length > MAX_PACKET || size < 8 || !c->open)
		return INVALID;
	return exchange(c, request, length, response, size, (c->timeout + SLICE - 1) / SLICE);
}

EXPORT uint32_t ChifClose(struct channel *c) {
	if (c->open)
		closesocket(c->socket);
	free(c);
	return OK;
}
