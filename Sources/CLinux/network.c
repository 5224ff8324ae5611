// Links, addresses and routes over rtnetlink: one request, one acknowledgement.
#define _GNU_SOURCE
#include "include/CLinuxNetwork.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
        char room[512];
    };
};

static void begin(struct request *request, unsigned short kind, unsigned short flags, size_t body) {
    memset(request, 0, sizeof *request);
    request->head.nlmsg_type = kind;
    request->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request->head.nlmsg_len = NLMSG_LENGTH(body);
}

// The attributes of one request are few and short: they fit.
static struct rtattr *add(struct request *request, unsigned short kind, const void *data, size_t length) {
    struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));
    attribute->rta_type = kind;
    attribute->rta_len = RTA_LENGTH(length);
    if (length > 0) memcpy(RTA_DATA(attribute), data, length);
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void end(struct request *request, struct rtattr *nest) {
    nest->rta_len = (unsigned short)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len) - (char *)nest);
}

// Whether a name is too long for an interface, and for a request.
static int is_long(const char *name) { return strlen(name) >= IFNAMSIZ; }

static int ask(int netlink, struct request *request) {
    if (send(netlink, request, request->head.nlmsg_len, 0) < 0) return -errno;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char room[1024];
    } answer;
    for (;;) {
        ssize_t count = recv(netlink, &answer, sizeof answer, 0);
        if (count < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if ((size_t)count >= NLMSG_LENGTH(sizeof answer.error) && answer.head.nlmsg_type == NLMSG_ERROR)
            return answer.error.error;
    }
}

int clinux_netlink(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? -errno : fd;
}

static int query_link(int netlink, const char *name, unsigned long what, struct ifreq *query) {
    memset(query, 0, sizeof *query);
    if (is_long(name)) return -ENAMETOOLONG;
    strcpy(query->ifr_name, name);
    return ioctl(netlink, what, query) < 0 ? -errno : 0;
}

int clinux_link_index(int netlink, const char *name) {
    struct ifreq query;
    int error = query_link(netlink, name, SIOCGIFINDEX, &query);
    return error < 0 ? error : query.ifr_ifindex;
}

int clinux_link_is_up(int netlink, const char *name) {
    struct ifreq query;
    int error = query_link(netlink, name, SIOCGIFFLAGS, &query);
    return error < 0 ? error : (query.ifr_flags & IFF_UP) != 0;
}

int clinux_bridge_add(int netlink, const char *name, const uint8_t *mac) {
    if (is_long(name)) return -ENAMETOOLONG;
    struct request request;
    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof request.link);
    add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    // Its own for good: otherwise it changes with whoever is plugged in.
    add(&request, IFLA_ADDRESS, mac, 6);
    struct rtattr *info = add(&request, IFLA_LINKINFO, NULL, 0);
    add(&request, IFLA_INFO_KIND, "bridge", 6);
    end(&request, info);
    return ask(netlink, &request);
}

int clinux_veth_add(
    int netlink, const char *name, int bridge, const char *peer, int peer_namespace, const uint8_t *peer_mac) {
    if (is_long(name) || is_long(peer)) return -ENAMETOOLONG;
    struct request request;
    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof request.link);
    request.link.ifi_flags = request.link.ifi_change = IFF_UP;
    add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    add(&request, IFLA_MASTER, &bridge, sizeof bridge);
    struct rtattr *info = add(&request, IFLA_LINKINFO, NULL, 0);
    add(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = add(&request, IFLA_INFO_DATA, NULL, 0);
    // Not up yet: an end cannot be before both are there.
    struct ifinfomsg other;
    memset(&other, 0, sizeof other);
    struct rtattr *inner = add(&request, VETH_INFO_PEER, &other, sizeof other);
    add(&request, IFLA_IFNAME, peer, strlen(peer) + 1);
    add(&request, IFLA_NET_NS_FD, &peer_namespace, sizeof peer_namespace);
    add(&request, IFLA_ADDRESS, peer_mac, 6);
    end(&request, inner);
    end(&request, data);
    end(&request, info);
    return ask(netlink, &request);
}

int clinux_link_up(int netlink, int index) {
    struct request request;
    begin(&request, RTM_NEWLINK, 0, sizeof request.link);
    request.link.ifi_index = index;
    request.link.ifi_flags = request.link.ifi_change = IFF_UP;
    return ask(netlink, &request);
}

int clinux_link_remove(int netlink, const char *name) {
    if (is_long(name)) return -ENAMETOOLONG;
    struct request request;
    begin(&request, RTM_DELLINK, 0, sizeof request.link);
    add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return ask(netlink, &request);
}

int clinux_address_add(int netlink, int index, uint32_t address, int prefix) {
    struct request request;
    begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof request.address);
    request.address.ifa_family = AF_INET;
    request.address.ifa_prefixlen = (unsigned char)prefix;
    request.address.ifa_index = (unsigned)index;
    uint32_t wire = htonl(address);
    uint32_t broadcast = htonl(address | (prefix >= 32 ? 0 : 0xffffffffu >> prefix));
    add(&request, IFA_LOCAL, &wire, sizeof wire);
    add(&request, IFA_ADDRESS, &wire, sizeof wire);
    add(&request, IFA_BROADCAST, &broadcast, sizeof broadcast);
    return ask(netlink, &request);
}

int clinux_default_route_add(int netlink, int index, uint32_t gateway) {
    struct request request;
    begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof request.route);
    request.route.rtm_family = AF_INET;
    request.route.rtm_table = RT_TABLE_MAIN;
    request.route.rtm_protocol = RTPROT_BOOT;
    request.route.rtm_scope = RT_SCOPE_UNIVERSE;
    request.route.rtm_type = RTN_UNICAST;
    uint32_t wire = htonl(gateway);
    add(&request, RTA_GATEWAY, &wire, sizeof wire);
    add(&request, RTA_OIF, &index, sizeof index);
    return ask(netlink, &request);
}
