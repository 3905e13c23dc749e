"""What an assistant can do with mail."""

INBOX = [{"from": "grace@example.com", "text": "My card is 4111 1111 1111 1111."}]


def read_mail() -> list[dict[str, str]]:
    """What has come in."""
    return INBOX


def send_mail(to: str, text: str) -> str:
    """Sends a mail."""
    return f"sent to {to}: {text}"
