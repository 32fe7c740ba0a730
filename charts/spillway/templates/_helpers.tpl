{{/* Names end at 63 characters; the longest suffix of ours has 12. */}}
{{- define "spillway.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 51 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 51 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* Of a ClusterRole: its name is known in the whole cluster, so it carries the namespace of the release. */}}
{{- define "spillway.clustername" -}}
{{ printf "%s:%s" .Release.Namespace (include "spillway.fullname" .) }}
{{- end -}}

{{- define "spillway.serviceaccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "spillway.fullname" .) }}
{{- else -}}
{{ required "serviceAccount.name is needed when serviceAccount.create is false: name one that exists" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "spillway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "spillway.labels" -}}
{{ include "spillway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: spillway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* repository[:tag][@digest] of an image in the values. */}}
{{- define "spillway.image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* What the operator does in the namespaces of pools. The chart's README says why, right by right. */}}
{{- define "spillway.rules" -}}
- apiGroups: [spillway.dev]
  resources: [connectionpools]
  verbs: [get, list, watch]
- apiGroups: [spillway.dev]
  resources: [connectionpools/status, connectionbudgets/status]
  verbs: [update, patch]
# To own objects in a way that holds their owner until they are gone (blockOwnerDeletion).
- apiGroups: [spillway.dev]
  resources: [connectionpools/finalizers]
  verbs: [update]
- apiGroups: [spillway.dev]
  resources: [connectionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, secrets, services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch]
# Only read, and only while a pool names workloads that connect to it (spec.clients.workloads).
- apiGroups: [apps]
  resources: [daemonsets]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- with .Files.Get "files/postgres-rules.yaml" | trim }}
{{ . }}
{{- end }}
{{- end -}}
