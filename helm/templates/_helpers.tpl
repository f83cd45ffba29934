{{- define "ticketengine.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: Deployments and StatefulSets select by them. Takes root and component. */}}
{{- define "ticketengine.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of objects, not of pods: a new version of the chart must not restart the stores. Takes root and component. */}}
{{- define "ticketengine.labels" -}}
{{ include "ticketengine.selector" . }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Takes root and of. */}}
{{- define "ticketengine.image" -}}
{{- $image := .of.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "ticketengine.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "ticketengine.fullname" .) -}}
{{- end -}}

{{- define "ticketengine.token.secret" -}}
{{- .Values.tokenSecret.existingSecret | default (printf "%s-token" (include "ticketengine.fullname" .)) -}}
{{- end -}}

{{/* The Secret of TE_JWT_SECRET; empty where only a JWKS file is trusted. */}}
{{- define "ticketengine.jwt.secret" -}}
{{- if .Values.auth.jwtSecret.existingSecret -}}
{{- .Values.auth.jwtSecret.existingSecret -}}
{{- else if .Values.demo.enabled -}}
{{- printf "%s-demo-jwt" (include "ticketengine.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "ticketengine.jwt.issuer" -}}
{{- .Values.auth.issuer | default (ternary "ticketengine-demo" "" .Values.demo.enabled) -}}
{{- end -}}

{{- define "ticketengine.jwt.audience" -}}
{{- .Values.auth.audience | default (ternary "ticketengine" "" .Values.demo.enabled) -}}
{{- end -}}

{{- define "ticketengine.redis.secret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "ticketengine.fullname" .)) -}}
{{- end -}}

{{- define "ticketengine.postgresql.secret" -}}
{{- .Values.postgresql.existingSecret | default (printf "%s-postgresql" (include "ticketengine.fullname" .)) -}}
{{- end -}}

{{/* Where the gateway finds booking-svc; a certificate must have this name. */}}
{{- define "ticketengine.booking.host" -}}
{{- printf "%s-booking-svc-headless.%s.svc" (include "ticketengine.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/* How many replicas there may be at once, the one of a rollout included. */}}
{{- define "ticketengine.booking.replicasMax" -}}
{{- $of := .Values.bookingSvc -}}
{{- add 1 (ternary $of.autoscaling.maxReplicas $of.replicas $of.autoscaling.enabled) -}}
{{- end -}}

{{/* How many proxies stand before the gateway. */}}
{{- define "ticketengine.gateway.hops" -}}
{{- if kindIs "invalid" .Values.wsGateway.forwardedHops -}}
{{- ternary 1 0 (or .Values.ingress.enabled .Values.gatewayApi.httpRoute.enabled) -}}
{{- else -}}
{{- int .Values.wsGateway.forwardedHops -}}
{{- end -}}
{{- end -}}
