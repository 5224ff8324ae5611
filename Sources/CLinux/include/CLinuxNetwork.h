// Network links over rtnetlink. A netlink socket works on the network namespace that it was made in. -errno out.
#pragma once
#include <stdint.h>

int clinux_netlink(void);
// Longer names than 15 bytes are refused; MAC addresses have 6, and IPv4 addresses are in the machine's byte order.
int clinux_link_index(int netlink, const char *name);
int clinux_link_is_up(int netlink, const char *name);
// Makes a bridge that is down.
int clinux_bridge_add(int netlink, const char *name, const uint8_t *mac);
int clinux_veth_add(
    int netlink, const char *name, int bridge, const char *peer, int peer_namespace, const uint8_t *peer_mac);
int clinux_link_up(int netlink, int index);
int clinux_link_remove(int netlink, const char *name);
int clinux_address_add(int netlink, int index, uint32_t address, int prefix);
int clinux_default_route_add(int netlink, int index, uint32_t gateway);
