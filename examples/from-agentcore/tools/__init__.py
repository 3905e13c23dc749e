"""Stand-ins for the Lambda functions behind the targets."""
