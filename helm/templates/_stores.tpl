{{/* Files of Redis. The settings that the promises rest on come last: the last line of a name counts. */}}
{{- define "ticketengine.redis.config" -}}
start.sh: |
  {{- .Files.Get "files/redis/start.sh" | nindent 2 }}
users.acl.template: |
  {{- .Files.Get "files/redis/users.acl.template" | nindent 2 }}
redis.conf: |
  {{- range $name, $value := .Values.redis.settings }}
  {{ $name }} {{ $value }}
  {{- end }}
  port 6379
  dir /data
  aclfile /run/redis/users.acl
  maxmemory {{ .Values.redis.maxmemory }}
  maxmemory-policy noeviction
  appendonly yes
  appendfsync everysec
  save ""
{{- end -}}

{{/* What the promises rest on; the values can add to it, not change it. */}}
{{- define "ticketengine.postgresql.settings" -}}
fsync: "on"
full_page_writes: "on"
synchronous_commit: "on"
max_connections: "{{ .Values.postgresql.maxConnections }}"
{{- end -}}

{{/* Takes the values of persistence. A volume outlives the release: who wants it gone removes it by hand. */}}
{{- define "ticketengine.volume" -}}
{{- if .enabled -}}
persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .size }}}
{{- end -}}
{{- end -}}

{{/* What `512mb` of Redis, or `1Gi` of Kubernetes, is in MiB. */}}
{{- define "ticketengine.mebibytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text | lower -}}
{{- $in := dict "kb" 1024 "ki" 1024 "mb" 1048576 "mi" 1048576 "m" 1000000 "gb" 1073741824 "gi" 1073741824 "g" 1000000000 "" 1 -}}
{{- div (mul $number (get $in $unit | default 1)) 1048576 -}}
{{- end -}}
