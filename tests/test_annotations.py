"""What users and type checkers see: every public function says what it takes and returns."""

import ast
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "src"


def functions(tree, inside=()):
    """(qualified name, node, is it a method) of what has no leading underscore, and constructors;
    what is local to another function is that function's own business.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == "__init__" or not node.name.startswith("_"):
                yield ".".join([*inside, node.name]), node, isinstance(tree, ast.ClassDef)
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, (*inside, node.name))
        else:
            yield from functions(node, inside)


def is_static(node):
    return any(getattr(d, "id", None) == "staticmethod" for d in node.decorator_list)


def missing(node, method):
    """What has no annotation: arguments, without `self`, `*args` and `**kwargs`; the return."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    if method and not is_static(node):
        arguments = arguments[1:]
    names = [a.arg for a in arguments if a.annotation is None]
    return names if node.returns else [*names, "the return"]


def test_every_public_function_and_constructor_is_annotated():
    total, offenders = 0, []
    for path in sorted(SOURCE.rglob("*.py")):
        for name, node, method in functions(ast.parse(path.read_text())):
            total += 1
            if lacking := missing(node, method):
                where = f"{path.relative_to(SOURCE)}:{node.lineno}"
                offenders.append(f"{where} {name}: {', '.join(lacking)}")
    share = 1 - len(offenders) / total
    print(f"{share:.1%} of {total} functions, methods and constructors are annotated")
    assert not offenders, f"{share:.1%} of {total} annotated; not:\n" + "\n".join(offenders)
