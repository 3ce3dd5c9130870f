package io.pbsattn.zoo.jinja;

import java.util.Map;

/** HTML's names for characters, of which HTML has thousands, and texts have these. */
final class HtmlEntities {

    private static final Map<String, String> NAMED =
            Map.of("amp", "&", "lt", "<", "gt", ">", "quot", "\"", "apos", "'", "nbsp", "\u00a0");

    private HtmlEntities() {}

    /** Puts characters for their names. */
    static String unescape(String text, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        int from = 0;
        for (int start = text.indexOf('&'); start >= 0; start = text.indexOf('&', from)) {
            out.append(text, from, start);
            int end = start + 1;
            while (end < text.length() && end - start < 40 && isNamePart(text.charAt(end))) {
                ++end;
            }
            boolean isName = end > start + 1 && text.startsWith(";", end);
            from = isName ? end + 1 : start + 1;
            out.append(isName ? character(text.substring(start + 1, end)) : "&");
        }
        return out.append(text, from, text.length()).toString();
    }

    private static boolean isNamePart(char c) {
        return c == '#' || (c < 0x80 && Character.isLetterOrDigit(c));
    }

    private static String character(String name) {
        Integer code = code(name);
        String named = code == null ? NAMED.get(name) : Character.toString(code);
        if (named == null) {
            throw new JinjaException("striptags: the entity '&" + name + ";' is not supported");
        }
        return named;
    }

    /** The code of {@code #60} or {@code #x3c}, or null. */
    private static Integer code(String name) {
        boolean isHex = name.startsWith("#x") || name.startsWith("#X");
        String digits = name.startsWith("#") ? name.substring(isHex ? 2 : 1) : "";
        if (digits.isEmpty()
                || digits.length() > 6
                || !digits.chars().allMatch(c -> Character.digit(c, isHex ? 16 : 10) >= 0)) {
            return null;
        }
        int code = Integer.parseInt(digits, isHex ? 16 : 10);
        boolean isCharacter =
                code >= 0xa0
                        ? code <= Character.MAX_CODE_POINT && !(code >= 0xd800 && code < 0xe000)
                        : code >= ' ' && code < 0x7f;
        return isCharacter ? code : null;
    }
}
