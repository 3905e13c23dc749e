"""Phrases that give an agent orders, in several languages; linear, whatever the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import re2

from callgate.audit.unveiling import folded

W = r"[\pL\pM\pN'’_.,:-]+"  # a word


def _few(most: int) -> str:
    return rf"(?:{W} ){{0,{most}}}"


_ORDERS = "instructions?|prompts?|rules|guidelines|directions|directives"
_AI = (
    "ai|llms?|assistants?|agents?|language models?|chat ?bots?"
    "|claude|chatgpt|gpt-?[0-9o]*|gemini|copilot"
)

_ENGLISH: Mapping[str, tuple[float, str]] = {
    "override": (
        0.8,
        rf"\b(?:ignore|disregard|forget|override|bypass|do not follow|stop following) {_few(4)}"
        rf"(?:previous|prior|above|earlier|preceding|existing|original|initial|all|any|your|system)"
        rf" {_few(2)}(?:{_ORDERS}|messages|tasks?)\b",
    ),
    "new orders": (
        0.5,
        rf"\b(?:new|updated|revised|real|actual|hidden|secret|additional) (?:system )?"
        rf"(?:instructions?|directives?|orders|objective)(?: for {_few(2)}(?:{_AI}))?"
        r" ?(?::|=|-{2})",
    ),
    "secrecy": (
        0.7,
        rf"\b(?:do not|don'?t|never|without) {_few(3)}(?:tell|telling|inform|informing|mention|"
        rf"mentioning|reveal|revealing|notify|notifying|alert|alerting|warn|warning|asking|let) "
        rf"{_few(3)}(?:user|human|person|anyone|operator)s?\b",
    ),
    "to the agent": (
        0.6,
        rf"\b(?:attention|notice|important|hey|hello|dear|message|instructions?)[ ,:!-]{{1,3}}"
        rf"(?:to |for )?(?:the |all |any )?(?:{_AI})\b",
    ),
    "if you are": (0.7, rf"\bif you(?: are|'re) {_few(3)}(?:{_AI})\b"),
    "agents must": (0.4, rf"\b(?:{_AI}) {_few(2)}(?:must|should|shall|are required to|have to)\b"),
    "message from": (
        0.7,
        r"\b(?:important|urgent|special) (?:message|note|instructions?|information) from "
        r"(?:me|your|the (?:user|admin|system|developer|owner))",
    ),
    "before you": (
        0.6,
        r"\bbefore you (?:can |may |could )?"
        rf"(?:continue|proceed|solve|complete|answer|finish|respond|start|do) {_few(14)}"
        r"(?:you (?:must|need|have to|should)|please (?:do|first|call|send|read)|do the following)",
    ),
    "tool first": (
        0.5,
        rf"\byou (?:must|need to|have to|should) {_few(4)}(?:call|use|invoke|run|execute) {_few(3)}"
        rf"(?:tool|function) {_few(2)}(?:first|before|with|to)\b",
    ),
    "persona": (
        0.5,
        r"\b(?:you are (?:now|no longer) (?:an? |the |in |my |bound|acting)"
        r"|from now on,? you (?:are|will|must)"
        r"|(?:enter|enable|activate) (?:developer|debug|god|dan|admin|unrestricted) mode)",
    ),
    "leak": (
        0.5,
        rf"\b(?:reveal|print|repeat|output|send|share|leak|expose|forward|include|paste) {_few(4)}"
        rf"(?:system prompt|your (?:instructions|prompt|rules|configuration|context|memory)"
        rf"|(?:conversation|chat) history|(?:ssh|private) keys?|(?:id_rsa|\.env|\.ssh))",
    ),
    "approved": (
        0.5,
        r"\bthe user (?:has )?(?:already |just )?(?:approved|authori[sz]ed|confirmed|consented|"
        r"granted|wants you to|asked you to|requires you to)\b",
    ),
    "new task": (
        0.5,
        r"\b(?:your|the) (?:new|next|real|actual|only|true) "
        r"(?:task|goal|job|mission|objective) is\b",
    ),
    # The markup of chats and of tool calls
    "role": (
        0.6,
        r"<\|?(?:im_start|im_end|system|endoftext|eot_id|start_header_id|end_header_id|assistant)\|?>"
        r"|\[/?inst\]|<</?sys>>|</?(?:system|system[-_](?:reminder|prompt|message)|admin|information)>"
        r"|(?:^|\n) ?#{2,3} ?(?:system|instructions?|new task) ?:",
    ),
    "tool call": (
        0.6,
        r"</?(?:function_calls?|tool_calls?|tool_use|antml:[a-z]+|function=[a-z_]+)[ >]",
    ),
    "conversation": (
        0.5,
        r"(?:^|\n) ?(?:human|user) ?: ?[^\n]{1,500}\n ?(?:assistant|ai) ?:"
        r"|(?:^|\n) ?(?:assistant|ai) ?: ?[^\n]{1,500}\n ?(?:human|user) ?:",
    ),
}

# Language → what is done, and to what, in that order; `_` is a space.
_SET_ASIDE: Mapping[str, tuple[str, str]] = {
    "de": (
        r"ignorier\pL* vergiss vergesst missacht\pL* übergeh\pL* beachte_nicht",
        r"anweisung\pL* instruktion\pL* befehl\pL* vorgabe\pL* regel\pL*",
    ),
    "fr": (
        r"(?:ignore|oublie)[rsz]?_(?:toutes_|tous_)?(?:les|mes|tes|vos|ces) ne_tene?z?_pas_compte",
        r"instructions? consignes? règles? directives? ordres?",
    ),
    "es": (
        r"ignor[ae]\pL* olvid[ae]\pL* descart[ae]\pL* haz_caso_omiso",
        r"instrucciones indicaciones órdenes reglas directrices",
    ),
    "it": (
        r"ignor[ai]\pL* dimentic[ah]\pL* trascura\pL*",
        r"istruzioni indicazioni regole direttive ordini",
    ),
    "pt": (
        r"ignor[ea]\pL* esque[cç][ae]\pL* desconsider[ae]\pL*",
        r"instruç\pL+ instrucoes regras orientaç\pL+ ordens diretrizes",
    ),
    "nl": (r"negeer vergeet", r"instructies opdrachten regels aanwijzingen"),
    "sv": (r"ignorera glöm bortse_från", r"instruktioner\pL* anvisningar\pL* regler\pL*"),
    "pl": (
        r"zignoruj\pL* ignoruj\pL* zapomnij\pL*",
        r"instrukcj\pL+ polece\pL+ zasad\pL+ wskaz\pL+",
    ),
    "cs": (r"ignoruj\pL* zapomeň\pL*", r"instrukc\pL+ pokyn\pL+ pravid\pL+"),
    "id": (r"abaikan lupakan", r"instruksi perintah arahan"),
    "vi": (r"bỏ_qua phớt_lờ quên", r"hướng_dẫn chỉ_dẫn lệnh chỉ_thị"),
    "ru": (
        r"игнорируй\pL* проигнорируй\pL* забудь\pL* не_обращай\pL*",
        r"инструкци\pL* указани\pL* команд\pL* правил\pL*",
    ),
    "uk": (
        r"ігноруй\pL* проігноруй\pL* забудь\pL*",
        r"інструкці\pL* вказівк\pL* команд\pL* правил\pL*",
    ),
    "el": (
        r"αγνό[ηε]σ\pL* ξέχασ\pL* ξεχάσ\pL*",
        r"οδηγίε[ςσ] εντολέ[ςσ] κανόνε[ςσ]",
    ),
}
# Languages without spaces between words, or with another order.
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "tr": (
        rf"(?:önceki|yukarıdaki|tüm) {_few(3)}(?:talimat|komut|kural)\pL* ",
        rf"{_few(2)}(?:yok ?say|görmezden|unut)",
    ),
    "zh": (
        r"(?:忽略|无视|無視|忘记|忘記|不要理会|不要遵守)[^。\n]{0,12}",
        r"(?:指令|指示|提示|说明|說明|规则|規則|命令)",
    ),
    "ja": (
        r"(?:これまで|以前|上記|前|すべて|全て)の?[^。\n]{0,12}",
        r"(?:指示|命令|プロンプト|ルール)[^。\n]{0,6}(?:無視|忘れ)",
    ),
    "ko": (
        r"(?:이전|위의|앞의|모든)[^.\n]{0,14}",
        r"(?:지시|명령|지침|프롬프트)[^.\n]{0,10}(?:무시|잊)",
    ),
    "ar": (r"(?:تجاهل|انس)[^.\n]{0,24}", r"(?:التعليمات|الاوامر|الأوامر|التوجيهات)"),
    "hi": (r"(?:निर्देश|आदेश)[^।\n]{0,24}", r"(?:अनदेखा|भूल|नज)"),
}
_KEEP_FROM_USER: Mapping[str, str] = {
    "de": rf"(?:sag|erzähl|verrat|erwähn|informier)\pL* {_few(3)}(?:be)?nutzer\pL* {_few(3)}nicht",
    "fr": rf"ne (?:dis|dites|mentionne[rz]?|révèle[rz]?|parle[rz]?) {_few(4)}(?:l['’])?utilisateur",
    "es": rf"no (?:le )?(?:digas|informes|menciones|reveles) {_few(4)}usuario",
    "it": rf"non (?:dire|informare|menzionare|rivelare) {_few(4)}(?:all['’])?utente",
    "pt": rf"não (?:diga|informe|mencione|revele) {_few(4)}usuário",
    "ru": rf"не (?:говори|сообщай|упоминай)\pL* {_few(3)}пользовател",
    "zh": r"(?:不要|请勿|別)[^。\n]{0,4}(?:告诉|告訴|通知|提及)[^。\n]{0,4}(?:用户|用戶|使用者)",
    "ja": r"ユーザー?に[^。\n]{0,8}(?:言わない|伝えない|知らせない)",
}


def _either(words: str) -> str:
    return "(?:" + "|".join(word.replace("_", " ") for word in words.split()) + ")"


PHRASES: Mapping[str, tuple[float, str]] = {
    **_ENGLISH,
    **{
        f"override:{language}": (0.8, rf"(?:^|\PL){_either(verbs)} {_few(4)}{_either(nouns)}")
        for language, (verbs, nouns) in _SET_ASIDE.items()
    },
    **{f"override:{language}": (0.8, "".join(parts)) for language, parts in _OTHERS.items()},
    **{f"secrecy:{language}": (0.7, text) for language, text in _KEEP_FROM_USER.items()},
}
"""Name → how much it weighs, from 0 to 1, and what it looks like in a folded text."""


class Phrases:
    """The built-in phrases and own ones, found in one pass."""

    def __init__(self, own: Mapping[str, str] | None = None, own_weight: float = 0.8) -> None:
        chosen = dict(PHRASES) | {name: (own_weight, text) for name, text in (own or {}).items()}
        options = re2.Options()
        options.max_mem = 64 << 20
        self._weights = [(name, weight) for name, (weight, _) in chosen.items()]
        self._set: Any = re2.Set.SearchSet(options)
        for _, pattern in chosen.values():
            self._set.Add(pattern)
        self._always = self._set.Add("")
        self._set.Compile()

    def find(self, text: str) -> dict[str, float]:
        """The names of the phrases that the text holds, and their weights. Raises MemoryError."""
        found = set(self._set.Match(prepared(text)) or ())
        # INVARIANT: an engine that gives up says that nothing is found, which would be let through.
        if self._always not in found:
            raise MemoryError("the phrases could not be looked for in a text")
        return dict(self._weights[index] for index in found if index != self._always)


def prepared(text: str) -> str:
    """The text as phrases are written: folded, one space between words, lines kept."""
    return "\n".join([" ".join(line.split()) for line in folded(text).splitlines()])
