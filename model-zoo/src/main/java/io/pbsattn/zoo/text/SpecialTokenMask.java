package io.pbsattn.zoo.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PrimitiveIterator;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Gives the characters of special tokens other looks, one to one, in what comes from outside a
 * template: what still looks like a special token in the rendered text is the template's own,
 * whatever it cut and joined. White space keeps its looks, so that it can be stripped.
 *
 * <p>Words that the template compares with keep theirs, unless they could be part of a special
 * token: a template may look for {@code </think>} or {@code function}. So do keys by which it may
 * ask for values.
 */
final class SpecialTokenMask {

    private static final int PRIVATE_USE = 0xE000;
    private static final int MORE_PRIVATE_USE = 0xF0000;
    private static final Pattern WORD = Pattern.compile("\\w+");

    private final Map<Integer, Integer> looks = new HashMap<>();
    private final Map<Integer, Integer> faces = new HashMap<>();
    private final Set<Integer> used = new HashSet<>();
    private final List<String> kept = new ArrayList<>();
    private final Set<String> words = new HashSet<>();
    private int nextPrivate = PRIVATE_USE;
    private int nextMorePrivate = MORE_PRIVATE_USE;

    /**
     * Chooses the looks, characters of private use that occur nowhere.
     *
     * @param tokens special tokens
     * @param template a template's source
     * @param strings the strings of its expressions
     * @param outside all strings that it is going to write
     */
    SpecialTokenMask(
            Collection<String> tokens, String template, Set<String> strings, Object outside) {
        template.codePoints().forEach(used::add);
        tokens.forEach(token -> token.codePoints().forEach(used::add));
        collect(outside);
        for (String token : tokens) {
            token.codePoints()
                    .filter(c -> !Character.isWhitespace(c) && !looks.containsKey(c))
                    .forEach(this::choose);
        }
        for (String word : strings) {
            if (!word.isEmpty() && tokens.stream().noneMatch(token -> meet(word, token))) {
                kept.add(word);
            }
        }
        WORD.matcher(template).results().forEach(word -> words.add(word.group()));
    }

    private void collect(Object value) {
        if (value instanceof CharSequence text) {
            text.codePoints().forEach(used::add);
        } else if (value instanceof Map<?, ?> map) {
            map.forEach(
                    (key, item) -> {
                        collect(key);
                        collect(item);
                    });
        } else if (value instanceof Iterable<?> items) {
            items.forEach(this::collect);
        }
    }

    /** Chooses the looks of a character: as many UTF-16 units as it has. */
    private void choose(int face) {
        int look;
        do {
            look = Character.isBmpCodePoint(face) ? nextPrivate++ : nextMorePrivate++;
        } while (used.contains(look));
        if (Character.getType(look) != Character.PRIVATE_USE) {
            throw new IllegalArgumentException("a prompt of all characters of private use");
        }
        looks.put(face, look);
        faces.put(look, face);
    }

    /** Whether a word and a token can share characters of a text. */
    private static boolean meet(String word, String token) {
        if (word.contains(token) || token.contains(word)) {
            return true;
        }
        for (int i = 1; i < Math.min(word.length(), token.length()); ++i) {
            if (word.endsWith(token.substring(0, i))
                    || word.startsWith(token.substring(token.length() - i))) {
                return true;
            }
        }
        return false;
    }

    /** Masks the strings of a value: a string, or lists and maps of them. */
    Object hide(Object value) {
        if (value instanceof CharSequence text) {
            return hide(text.toString());
        } else if (value instanceof Map<?, ?> map) {
            Map<Object, Object> hidden = new LinkedHashMap<>();
            map.forEach((k, item) -> hidden.put(words.contains(k) ? k : hide(k), hide(item)));
            return hidden;
        } else if (value instanceof Iterable<?> items) {
            List<Object> hidden = new ArrayList<>();
            items.forEach(item -> hidden.add(hide(item)));
            return hidden;
        }
        return value;
    }

    private String hide(String text) {
        boolean[] keeps = new boolean[text.length()];
        for (String word : kept) {
            for (int at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
                Arrays.fill(keeps, at, at + word.length(), true);
            }
        }
        StringBuilder hidden = new StringBuilder();
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int face = text.codePointAt(i);
            hidden.appendCodePoint(keeps[i] ? face : looks.getOrDefault(face, face));
        }
        return hidden.toString();
    }

    /** Takes the mask off. */
    String reveal(String text) {
        StringBuilder revealed = new StringBuilder();
        for (PrimitiveIterator.OfInt c = text.codePoints().iterator(); c.hasNext(); ) {
            int look = c.nextInt();
            revealed.appendCodePoint(faces.getOrDefault(look, look));
        }
        return revealed.toString();
    }
}
