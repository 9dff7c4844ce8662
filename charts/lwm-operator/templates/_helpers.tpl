{{- define "lwm-operator.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "lwm-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "lwm-operator.name" .) -}}
{{- end -}}

{{/* Labels that select: they never hold a version, because selectors cannot change. */}}
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

{{- define "lwm-operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (include "lwm-operator.tag" .) -}}
{{- end -}}
{{- end -}}

{{- define "lwm-operator.trainerImage" -}}
{{- .Values.trainer.image | default (printf "lwm-trainer:%s" (include "lwm-operator.tag" .)) -}}
{{- end -}}
