"""The gateway as a policy decision point for others: OpenID AuthZEN Authorization API 1.0."""
