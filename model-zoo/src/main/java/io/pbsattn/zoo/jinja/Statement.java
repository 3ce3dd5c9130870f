package io.pbsattn.zoo.jinja;

/** A parsed tag or a piece of text. */
final class Statement {

    private final int line;
    private final Action action;

    Statement(int line, Action action) {
        this.line = line;
        this.action = action;
    }

    /** What a statement does. */
    interface Action {
        Flow run(Scope scope, TextBuilder out);
    }

    Flow run(Scope scope, TextBuilder out) {
        Budget budget = scope.budget();
        budget.enter(line);
        try {
            return action.run(scope, out);
        } catch (RuntimeException e) {
            throw JinjaException.of(e).at(line);
        } finally {
            budget.leave();
        }
    }
}
