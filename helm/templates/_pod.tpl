{{/* What all pods have: no rights, no root, no token of the API. Takes root, of (the part's values) and uid. */}}
{{- define "ticketengine.pod" -}}
serviceAccountName: {{ include "ticketengine.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .of.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "ticketengine.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Replicas on nodes and in zones of their own, as far as there are some. Takes root and component. */}}
{{- define "ticketengine.spread" -}}
{{- $args := . -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{ include "ticketengine.selector" $args | nindent 6 }}
  # A rollout counts its own pods only.
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}

{{/*
While a pod ends, Services and proxies still send to it for a moment. The programs refuse newcomers from SIGTERM on, so
that comes after this pause. The images have no shell that could sleep; Kubernetes sleeps by itself from 1.30 on.
In seconds; takes root and of.
*/}}
{{- define "ticketengine.pause" -}}
{{- ternary .of.preStopSleepSeconds 0 (semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version) -}}
{{- end -}}

{{- define "ticketengine.preStop" -}}
{{- with include "ticketengine.pause" . | int -}}
lifecycle:
  preStop:
    sleep: {seconds: {{ . }}}
{{- end -}}
{{- end -}}

{{/* An environment variable from a Secret. Takes its name, the Secret and the key. */}}
{{- define "ticketengine.env.secret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}
{{- end -}}

{{/* What both programs are told about logs and traces, and the settings of the values. Takes root and of. */}}
{{- define "ticketengine.env.common" -}}
- {name: TE_LOG_FORMAT, value: {{ .root.Values.log.format }}}
{{- with .root.Values.log.filter }}
- {name: TE_LOG, value: {{ . | quote }}}
{{- end }}
{{- with .root.Values.traces.otlpEndpoint }}
- {name: TE_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: TE_TRACE_RATIO, value: {{ $.root.Values.traces.ratio | quote }}}
{{- end }}
{{- range $name, $value := .of.settings }}
- {name: {{ $name }}, value: {{ ternary (int64 $value) $value (kindIs "float64" $value) | quote }}}
{{- end }}
{{- end -}}
