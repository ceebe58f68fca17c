{{- define "assay.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "assay.labels" -}}
app.kubernetes.io/name: assay
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "assay.selector" -}}
app.kubernetes.io/name: assay
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "assay.tokenSecret" -}}
{{- .Values.metrics.tokenSecret | default (printf "%s-metrics-token" (include "assay.name" .)) -}}
{{- end -}}

{{/* What would lose rows, or never start, is refused before anything is installed. */}}
{{- define "assay.check" -}}
{{- $claim := .Values.persistence.existingClaim -}}
{{- if and (gt (len .Values.writers) 1) (not .Values.lakehouse.url) (not $claim) -}}
{{- fail "several writers share one lakehouse: set lakehouse.url to s3://.., or persistence.existingClaim to a ReadWriteMany claim" -}}
{{- end -}}
{{- if eq .Values.engine.kind "spark" -}}
{{- if .Values.lakehouse.url -}}
{{- fail "engine.kind is spark: Delta on Spark commits to S3 without a condition; leave lakehouse.url empty" -}}
{{- end -}}
{{- if not $claim -}}
{{- fail "engine.kind is spark: Spark and Assay need one volume, persistence.existingClaim, at /var/lib/assay of both" -}}
{{- end -}}
{{- if not (or .Values.engine.connectUrl .Values.engine.connectUrlSecret) -}}
{{- fail "engine.kind is spark: set engine.connectUrl to sc://host:15002, or engine.connectUrlSecret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.dashboard.enabled (not .Values.dashboard.usersSecret) -}}
{{- fail "dashboard.enabled: others can reach it, so dashboard.usersSecret has to name a Secret with users.json" -}}
{{- end -}}
{{- range $name := list "DELTA_BASE_PATH" "ENGINE" "METRICS_HOST" "METRICS_PORT" "METRICS_TOKEN" "METRICS_TOKEN_FILE" "DASHBOARD_HOST" "DASHBOARD_PORT" "DASHBOARD_USERS_FILE" -}}
{{- if hasKey $.Values.settings $name -}}
{{- fail (printf "settings.%s is set by the chart: use its own value for it" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
