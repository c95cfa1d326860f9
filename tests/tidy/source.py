"""Reads C++ sources the simple way that our own style allows: comments and strings blanked, braces counted."""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)
PREPROCESSOR = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.MULTILINE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)
TYPE_HEAD = re.compile(r'^(?:template\s*<[^;{}]*?>\s*|typedef\s+|static\s+|const\s+)*(?:class|struct|union|enum)\b')
SCOPE_HEAD = re.compile(r'^(?:inline\s+)?namespace\b|^extern\s*$')
# What may stand between a function's parameters and its body.
AFTER_PARAMETERS = re.compile(r'(?:\)|\bconst|\bnoexcept|\boverride|\bfinal|\bmutable|\btry|&|->\s*[\w:<>,*&\s]+)\s*$')


@dataclass(frozen=True)
class Function:
    line: int  # where its body opens
    lines: int  # from the opening to the closing brace, both counted
    head: str


def blank(text):
    """The code without comments and with empty literals; line numbers stay."""
    def replace(match):
        token = match.group(0)
        newlines = "\n" * token.count("\n")
        if token.startswith("/"):
            return newlines or " "
        return ('""' if token[0] in 'R"' else "' '") + newlines
    return TOKEN.sub(replace, text)


def includes(text):
    """(line, '"' or '<', path) of each include directive."""
    return [(text.count("\n", 0, m.start()) + 1, m.group(1), m.group(2)) for m in INCLUDE.finditer(text)]


def functions(text):
    """Every function body at namespace or class level; lambdas and local types count into the function around them."""
    code = PREPROCESSOR.sub(lambda m: "\n" * m.group(0).count("\n"), blank(text))
    found, stack, head_start, line = [], [], 0, 1
    for position, character in enumerate(code):
        if character == "\n":
            line += 1
        elif character == ";" and not _inside_function(stack):
            head_start = position + 1
        elif character == "{":
            head = " ".join(code[head_start:position].split())
            kind = "inner" if _inside_function(stack) else _kind(head)
            stack.append((kind, line, head, head_start))
            if kind != "initializer":
                head_start = position + 1
        elif character == "}" and stack:
            kind, opened, head, opened_head_start = stack.pop()
            if kind == "function":
                found.append(Function(opened, line - opened + 1, head))
            if kind != "inner":
                head_start = opened_head_start if kind == "initializer" else position + 1
    return found


def _inside_function(stack):
    return any(kind in ("function", "initializer") for kind, *_ in stack)


def _kind(head):
    head = re.sub(r'^(?:(?:public|private|protected)\s*:\s*)+', '', re.sub(r'\[\[.*?\]\]\s*', '', head)).strip()
    if SCOPE_HEAD.match(head) or head == "" or re.match(r'^extern\s*""$', head):
        return "scope"
    if TYPE_HEAD.match(head):
        return "scope"
    if ")" in head and AFTER_PARAMETERS.search(head):
        return "function"
    if re.search(r'\)\s*:.*[}\)]$', head):  # a constructor whose last member is set by braces
        return "function"
    return "initializer"
