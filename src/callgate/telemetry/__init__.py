"""What operators measure: Prometheus metrics, OpenTelemetry traces, logs."""
