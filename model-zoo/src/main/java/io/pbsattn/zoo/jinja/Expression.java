package io.pbsattn.zoo.jinja;

/** A parsed expression. */
class Expression {

    /** How many expressions may lie in one another. */
    private static final int HIGHEST = 200;

    private final int line;
    private final int height;
    private final Meaning meaning;

    /**
     * Constructs an expression.
     *
     * @param line where it stands
     * @param meaning what it evaluates to
     * @param parts the expressions that it consists of
     */
    Expression(int line, Meaning meaning, Expression... parts) {
        this.line = line;
        this.meaning = meaning;
        int highest = 0;
        for (Expression part : parts) {
            highest = Math.max(highest, part == null ? 0 : part.height);
        }
        height = highest + 1;
        if (height > HIGHEST) {
            throw new JinjaException("more than " + HIGHEST + " expressions in one another")
                    .at(line);
        }
    }

    /** What an expression evaluates to. */
    interface Meaning {
        Object in(Scope scope);
    }

    int line() {
        return line;
    }

    /** Evaluates the expression; an error names the innermost expression's line. */
    final Object evaluate(Scope scope) {
        Budget budget = scope.budget();
        budget.enter();
        try {
            return meaning.in(scope);
        } catch (RuntimeException e) {
            throw JinjaException.of(e).at(line);
        } finally {
            budget.leave();
        }
    }

    final boolean isTrue(Scope scope) {
        return Values.isTrue(evaluate(scope));
    }
}
