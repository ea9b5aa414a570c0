/*
 * The example services on libtirpc, at UDP port 20101: what the client talked to when the captures
 * in testbench/fixtures were made.
 */
#include "services.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void adder_1(struct svc_req *request, SVCXPRT *transport);
void echoer_1(struct svc_req *request, SVCXPRT *transport);

int *add_1_svc(operands *both, struct svc_req *request)
{
    static int sum;
    (void)request;
    sum = (int)((unsigned)both->left + (unsigned)both->right);
    return &sum;
}

blob *reflect_1_svc(blob *argument, struct svc_req *request)
{
    (void)request;
    return argument;
}

int main(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(20101)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        perror("udp port 20101");
        return 1;
    }
    SVCXPRT *transport = svc_dg_create(fd, 0, 0);
    struct netconfig *udp = getnetconfigent("udp");
    if (transport == NULL || udp == NULL ||
        !svc_reg(transport, ADDER, ADDER_V1, adder_1, udp) ||
        !svc_reg(transport, ECHOER, ECHOER_V1, echoer_1, udp)) {
        fprintf(stderr, "cannot register; is rpcbind running?\n");
        return 1;
    }
    svc_run();
    return 1;
}
