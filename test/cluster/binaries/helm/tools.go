//go:build tools

// This module pins helm, which installs the project's chart into the test cluster.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
