"""The skills extension (SEP-2640): one skill with a subdirectory, listed, got and walked."""

from hashlib import sha256

from fakes.conformance_server.exchange import INVALID_PARAMS, Json, RpcError, text_of

ROOT = "skill://release-notes"
NAME = "release-notes"
DESCRIPTION = "Write release notes that say what changes for users"
SKILL_FILES = {
    f"{ROOT}/SKILL.md": (
        f"---\nname: {NAME}\ndescription: {DESCRIPTION}\n---\n\n"
        "Say what changes for users. See references/TONE.md.\n"
    ),
    f"{ROOT}/references/TONE.md": "Short sentences. No superlatives.\n",
}
SKILL_RESOURCES: tuple[Json, ...] = (
    {
        "uri": f"{ROOT}/SKILL.md",
        "name": NAME,
        "description": DESCRIPTION,
        "mimeType": "text/markdown",
    },
)
SKILL: Json = {
    "uri": f"{ROOT}/SKILL.md",
    "frontmatter": {"name": NAME, "description": DESCRIPTION},
    "resources": [
        {
            "uri": uri,
            "digest": f"sha256:{sha256(content.encode()).hexdigest()}",
            "size": len(content.encode()),
        }
        for uri, content in SKILL_FILES.items()
    ],
}
DIRECTORIES: dict[str, list[Json]] = {
    ROOT: [
        *SKILL_RESOURCES,
        {"uri": f"{ROOT}/references", "name": "references", "mimeType": "inode/directory"},
    ],
    f"{ROOT}/references": [
        {"uri": f"{ROOT}/references/TONE.md", "name": "TONE.md", "mimeType": "text/markdown"}
    ],
}


def get_skill(params: Json) -> Json:
    if text_of(params, "uri") != SKILL["uri"]:
        raise RpcError(INVALID_PARAMS, "No such skill", {"uri": params["uri"]})
    return {"skill": SKILL}


def read_directory(params: Json) -> Json:
    uri = text_of(params, "uri").rstrip("/")
    if uri not in DIRECTORIES:
        raise RpcError(INVALID_PARAMS, "Not a directory", {"uri": uri})
    return {"resources": DIRECTORIES[uri]}
