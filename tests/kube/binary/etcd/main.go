// Command etcd is the API server's store. Debian 12 has etcd 3.4, which serves Kubernetes 1.36 but
// reports no progress of its watches, so that lists and watches from a recent state fail.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
