{{- define "lwm-operator.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "lwm-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "lwm-operator.name" .) -}}
{{- end -}}

{{/* Selector labels. They contain no version, because selectors are immutable. */}}
{{- define "lwm-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lwm-operator.labels" -}}
{{ include "lwm-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: lwm
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "lwm-operator.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{/* Image reference [registry/]repository@digest or [registry/]repository:tag. Arguments: registry, repository, tag, digest. */}}
{{- define "lwm-operator.reference" -}}
{{- $repository := ternary (printf "%s/%s" .registry .repository) .repository (not (empty .registry)) -}}
{{- if .digest -}}
{{- printf "%s@%s" $repository .digest -}}
{{- else -}}
{{- printf "%s:%s" $repository .tag -}}
{{- end -}}
{{- end -}}

{{/* Fails if neither a registry nor a repository is set: nothing is published under the default names. */}}
{{- define "lwm-operator.requireImage" -}}
{{- if not (or .registry .repository) -}}
{{- fail (printf "%s.repository: missing: no image is published, so set image.registry to the registry to which you pushed both images, or image.repository and trainer.image.repository to names that the nodes can pull (docs/guides/install.md)" .field) -}}
{{- end -}}
{{- end -}}

{{- define "lwm-operator.image" -}}
{{- $image := .Values.image -}}
{{- include "lwm-operator.requireImage" (dict "registry" $image.registry "repository" $image.repository "field" "image") -}}
{{- $repository := $image.repository | default "lwm-operator" -}}
{{- $tag := include "lwm-operator.tag" . -}}
{{- include "lwm-operator.reference" (dict "registry" $image.registry "repository" $repository "tag" $tag "digest" $image.digest) -}}
{{- end -}}

{{- define "lwm-operator.trainerImage" -}}
{{- $image := .Values.trainer.image -}}
{{- include "lwm-operator.requireImage" (dict "registry" .Values.image.registry "repository" $image.repository "field" "trainer.image") -}}
{{- $repository := $image.repository | default "lwm-trainer" -}}
{{- $tag := $image.tag | default (include "lwm-operator.tag" .) -}}
{{- include "lwm-operator.reference" (dict "registry" .Values.image.registry "repository" $repository "tag" $tag "digest" $image.digest) -}}
{{- end -}}

{{/* "true" if the chart may create no cluster-wide objects. */}}
{{- define "lwm-operator.namespaced" -}}
{{- if eq .Values.rbac.scope "namespace" -}}true{{- end -}}
{{- end -}}

{{/* The watched namespaces, separated by commas. Empty: all namespaces. */}}
{{- define "lwm-operator.watched" -}}
{{- $namespaces := .Values.watchNamespaces -}}
{{- if and (include "lwm-operator.namespaced" .) (not $namespaces) -}}
{{- $namespaces = list .Release.Namespace -}}
{{- end -}}
{{- join "," (uniq $namespaces) -}}
{{- end -}}

{{/*
Those of the given namespaces that exist, separated by commas: an upgrade must not fail because one of several is gone. `helm template`
cannot look, and keeps all. Whoever installs for several namespaces must have the right to get them. Arguments: root, namespaces.
*/}}
{{- define "lwm-operator.existing" -}}
{{- $existing := .namespaces -}}
{{- if gt (len .namespaces) 1 -}}
{{- if lookup "v1" "Namespace" "" .root.Release.Namespace -}}
{{- $existing = list -}}
{{- range .namespaces -}}
{{- $phase := dig "status" "phase" "" (lookup "v1" "Namespace" "" .) -}}
{{- if eq $phase "Active" -}}
{{- $existing = append $existing . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "," $existing -}}
{{- end -}}

{{/* Egress rule for DNS. */}}
{{- define "lwm-operator.dnsEgress" -}}
- ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.networkPolicy.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Namespace and name of the leader election Lease. Releases that watch all namespaces share one. */}}
{{- define "lwm-operator.leaseNamespace" -}}
{{- .Values.leaderElection.namespace | default (ternary .Release.Namespace "default" (not (empty (include "lwm-operator.watched" .)))) -}}
{{- end -}}

{{- define "lwm-operator.leaseName" -}}
{{- ternary (printf "%s-leader" (include "lwm-operator.name" .)) "lwm-operator" (not (empty (include "lwm-operator.watched" .))) -}}
{{- end -}}

{{/* "true" if the admission policy is enabled. Default: enabled if the chart may create cluster-wide objects. */}}
{{- define "lwm-operator.admissionPolicy" -}}
{{- $wanted := .Values.admissionPolicy.enabled -}}
{{- if and $wanted (include "lwm-operator.namespaced" .) -}}
{{- fail "admissionPolicy.enabled: the policy is an object of the whole cluster, which rbac.scope namespace forbids: leave it out, or use rbac.scope cluster with watchNamespaces" -}}
{{- end -}}
{{- if kindIs "bool" $wanted -}}
{{- if $wanted -}}true{{- end -}}
{{- else if not (include "lwm-operator.namespaced" .) -}}true{{- end -}}
{{- end -}}

{{/* The operator's rights in a watched namespace. */}}
{{- define "lwm-operator.rules" -}}
- apiGroups: [lwm.dev]
  resources: [lwmtrainings]
  verbs: [get, list, watch]
- apiGroups: [lwm.dev]
  resources: [lwmtrainings/status]
  verbs: [patch]
# For owner references that block a foreground deletion, where the API server enforces the permission for them.
- apiGroups: [lwm.dev]
  resources: [lwmtrainings/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create, patch, delete]
# The operator grants patch on one Lease to the pods of an attempt, and can grant only rights that it has.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, create, patch]
# Kueue's status of a queued Job. Without Kueue the rule has no effect.
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [list]
{{- end -}}
