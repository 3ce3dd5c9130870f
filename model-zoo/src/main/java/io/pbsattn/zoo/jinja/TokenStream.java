package io.pbsattn.zoo.jinja;

import java.util.List;

/** Walks over the tokens of a template. */
final class TokenStream {

    private final List<Token> tokens;
    private int at;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(at);
    }

    /** The token behind the current one. */
    Token ahead() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    int line() {
        return current().line();
    }

    /** Takes the current token; the end stays. */
    Token next() {
        Token token = current();
        at = Math.min(at + 1, tokens.size() - 1);
        return token;
    }

    boolean at(String operator) {
        return current().isOperator(operator);
    }

    boolean atName(String name) {
        return current().isName(name);
    }

    boolean at(Token.Kind kind) {
        return current().is(kind);
    }

    boolean take(String operator) {
        boolean found = at(operator);
        if (found) {
            next();
        }
        return found;
    }

    boolean takeName(String name) {
        boolean found = atName(name);
        if (found) {
            next();
        }
        return found;
    }

    void expect(String operator) {
        if (!take(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    void expectName(String name) {
        if (!takeName(name)) {
            throw unexpected("'" + name + "'");
        }
    }

    Token expect(Token.Kind kind, String what) {
        if (!at(kind)) {
            throw unexpected(what);
        }
        return next();
    }

    String name() {
        return expect(Token.Kind.NAME, "a name").text();
    }

    JinjaException unexpected(String expected) {
        return new JinjaException("expected " + expected + ", found " + current().describe())
                .at(line());
    }
}
