package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.List;

/** Tokens, one after the other. */
final class TokenStream {

    private final List<Token> tokens;
    private int position;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token peek() {
        return peek(0);
    }

    Token peek(int ahead) {
        return tokens.get(Math.min(position + ahead, tokens.size() - 1));
    }

    Token next() {
        Token token = peek();
        position = Math.min(position + 1, tokens.size());
        return token;
    }

    boolean takeName(String name) {
        return take(Kind.NAME, name);
    }

    boolean takeOperator(String operator) {
        return take(Kind.OPERATOR, operator);
    }

    private boolean take(Kind kind, String text) {
        boolean found = peek().is(kind, text);
        position += found ? 1 : 0;
        return found;
    }

    void expectOperator(String operator) {
        if (!takeOperator(operator)) {
            throw new JinjaException("expected '" + operator + "', found " + peek().shown())
                    .at(peek().line());
        }
    }

    Token expectName() {
        Token token = next();
        if (token.kind() != Kind.NAME) {
            throw unexpected(token);
        }
        return token;
    }

    void expect(Kind kind) {
        Token token = next();
        if (token.kind() != kind) {
            throw unexpected(token);
        }
    }

    JinjaException unexpected(Token token) {
        return new JinjaException("unexpected " + token.shown()).at(token.line());
    }
}
