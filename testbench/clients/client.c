/*
 * A plain ONC RPC client of the example services, on the code that rpcgen makes of services.x.
 *
 *   client HOST add LEFT RIGHT
 *   client HOST echo BYTES
 *
 * It finds the service through rpcbind at HOST and calls it over UDP. Exit status: 0 the reply is
 * right, 1 it is wrong or missing, 2 wrong usage.
 */
#include "services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CLIENT *connect_udp(const char *host, rpcprog_t program, rpcvers_t version)
{
    CLIENT *client = clnt_create(host, program, version, "udp");
    if (client == NULL) {
        clnt_pcreateerror(host);
        exit(1);
    }
    struct timeval total = {20, 0};
    clnt_control(client, CLSET_TIMEOUT, (char *)&total);
    return client;
}

static int add(const char *host, int left, int right)
{
    CLIENT *client = connect_udp(host, ADDER, ADDER_V1);
    operands both = {left, right};
    int *sum = add_1(&both, client);
    if (sum == NULL) {
        clnt_perror(client, "add");
        return 1;
    }
    printf("%d + %d = %d\n", left, right, *sum);
    return *sum == (int)((unsigned)left + (unsigned)right) ? 0 : 1;
}

static int echo(const char *host, unsigned bytes)
{
    CLIENT *client = connect_udp(host, ECHOER, ECHOER_V1);
    char *sent = malloc(bytes + 1);
    for (unsigned i = 0; i < bytes; i++)
        sent[i] = (char)(i * 7 + bytes);
    blob argument = {bytes, sent};
    blob *reflected = reflect_1(&argument, client);
    if (reflected == NULL) {
        clnt_perror(client, "echo");
        return 1;
    }
    int same = reflected->blob_len == bytes && memcmp(reflected->blob_val, sent, bytes) == 0;
    printf("echo of %u bytes: %s\n", bytes, same ? "same" : "DIFFERENT");
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[2], "add") == 0)
        return add(argv[1], atoi(argv[3]), atoi(argv[4]));
    if (argc == 4 && strcmp(argv[2], "echo") == 0)
        return echo(argv[1], (unsigned)atoi(argv[3]));
    fprintf(stderr, "usage: %s HOST add LEFT RIGHT | HOST echo BYTES\n", argv[0]);
    return 2;
}
