//go:build tools

// This module pins etcd, the store behind the test cluster's API server.
package tools

import _ "go.etcd.io/etcd/server/v3"
