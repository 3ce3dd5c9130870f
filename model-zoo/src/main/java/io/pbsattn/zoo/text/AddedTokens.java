package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The added tokens of tokenizer.json and those of its folder, in the order in which transformers
 * adds them, with the ids that they get: the one of the vocabulary, or else the next free one.
 */
final class AddedTokens {

    private static final Logger logger = LoggerFactory.getLogger(AddedTokens.class);

    /** The native library compares each token with all before it. */
    private static final int MAX_TOKENS = 1 << 17;

    private static final String ID = "id";

    private final String where;
    private final List<AddedToken> tokens = new ArrayList<>();

    /** The ids that files say, in the order of the tokens; null where they say none. */
    private final List<Long> stated = new ArrayList<>();

    private AddedTokens(String where) {
        this.where = where;
    }

    /**
     * A token of a tokenizer.
     *
     * @param token how it is found
     * @param id the id that texts get
     */
    record Entry(AddedToken token, long id) {}

    static List<Entry> read(
            String where, JsonElement list, FolderTokens folder, Vocabulary vocabulary)
            throws CheckpointException {
        AddedTokens added = new AddedTokens(where);
        if (list != null && !list.isJsonNull()) {
            added.addOwn(list);
        }
        added.addFolder(folder);
        if (added.tokens.size() > MAX_TOKENS) {
            throw new CheckpointException(
                    where + ": expected at most " + MAX_TOKENS + " tokens in all");
        }
        added.checkStrips();
        return added.assign(vocabulary);
    }

    private void addOwn(JsonElement list) throws CheckpointException {
        if (!list.isJsonArray()) {
            throw new CheckpointException(where + ": expected a list of tokens");
        }
        for (JsonElement element : list.getAsJsonArray()) {
            AddedToken token = AddedToken.read(where, element);
            add(token, id(element.getAsJsonObject()));
        }
    }

    private long id(JsonObject token) throws CheckpointException {
        JsonElement id = token.get(ID);
        double value =
                id != null && id.isJsonPrimitive() && id.getAsJsonPrimitive().isNumber()
                        ? id.getAsDouble()
                        : -1;
        if (value < 0 || value > Integer.MAX_VALUE || value != Math.rint(value)) {
            throw new CheckpointException(
                    where + ": expected an 'id', 0 or a positive integer, found " + id);
        }
        return (long) value;
    }

    private void add(AddedToken token, Long id) {
        // The native library passes over empty tokens too.
        if (!token.content().isEmpty()) {
            tokens.add(token);
            stated.add(id);
        }
    }

    private void addFolder(FolderTokens folder) {
        Set<AddedToken> own = new HashSet<>(tokens);
        Set<String> contents = new HashSet<>();
        tokens.forEach(token -> contents.add(token.content()));
        Set<String> named = new HashSet<>(folder.names().values());
        folder.byId()
                .forEach(
                        (id, token) -> {
                            if (!own.contains(token)) {
                                boolean isNamed = named.contains(token.content());
                                add(isNamed ? token.asSpecial() : token, id);
                                contents.add(token.content());
                            }
                        });
        for (AddedToken token : folder.withoutIds()) {
            if (contents.add(token.content())) {
                add(token, null);
            }
        }
    }

    /** White space that one token has taken must not be what another one begins to take. */
    private void checkStrips() throws CheckpointException {
        if (tokens.stream().noneMatch(AddedToken::rstrip)) {
            return;
        }
        for (AddedToken token : tokens) {
            boolean isWord = token.content().codePoints().anyMatch(Character::isLetterOrDigit);
            boolean isSpace = token.content().codePoints().allMatch(AddedTokens::isWhiteSpace);
            if (token.lstrip() && (isSpace || (token.normalized() && !isWord))) {
                throw new CheckpointException(
                        where
                                + ": token '"
                                + token.content()
                                + "': expected a letter or digit in a token with lstrip, where"
                                + " others have rstrip");
            }
        }
    }

    private static boolean isWhiteSpace(int c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    private List<Entry> assign(Vocabulary vocabulary) {
        Map<String, Long> ids = new HashMap<>();
        List<Entry> entries = new ArrayList<>();
        long next = vocabulary.size();
        for (int i = 0; i < tokens.size(); ++i) {
            AddedToken token = tokens.get(i);
            Long known = ids.get(token.content());
            if (known == null) {
                known = vocabulary.id(token.content());
            }
            long id = known == null ? next : known;
            ids.put(token.content(), id);
            next = Math.max(next, id + 1);
            entries.add(new Entry(token, id));
            if (stated.get(i) != null && stated.get(i) != id) {
                logger.warn(
                        "{}: token '{}' is said to have id {}, but gets {}, the next one",
                        where,
                        token.content(),
                        stated.get(i),
                        id);
            }
        }
        return entries;
    }
}
