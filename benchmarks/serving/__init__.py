"""The gateway under load beside a bare proxy and its peers: `make bench-gateway`."""
