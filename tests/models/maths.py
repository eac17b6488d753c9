"""Arithmetic word problems with worked answers, and plain sums, all generated."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Kate", "Leo",
    "Maria", "Noah", "Olivia", "Paul", "Rosa", "Sam", "Tom", "Uma", "Victor", "Wendy", "Janet", "James",
    "Natalia", "Ken", "Weng", "Betty", "Julie", "Mark", "Alice", "Bob", "Carlos", "Diana", "Ella", "Frank",
    "Nina", "Omar", "Priya", "Lily",
)  # fmt: skip
THINGS = (
    "apples", "books", "marbles", "eggs", "coins", "pencils", "cards", "stickers", "cookies", "flowers",
    "stamps", "oranges", "balloons", "cups", "shells", "toys", "muffins", "tickets", "bottles", "stones",
    "clips", "letters", "pages", "candles",
)  # fmt: skip
PLACES = ("box", "bag", "basket", "drawer", "shelf", "jar", "crate", "case")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HEADS = (
    ("Q: ", "\nA: "),
    ("Question: ", "\nAnswer: "),
    ("Problem: ", "\nSolution: "),
    ("Question: ", "\nLet's think step by step. "),
)
CLOSINGS = ("So the answer is {}.", "The answer is {}.", "so the answer is {}.", "Answer: {}", "#### {}")


@dataclass(slots=True)
class Problem:
    """A problem under construction: sentences told so far, steps worked so far, and the running total."""

    rng: random.Random
    name: str
    thing: str
    total: int
    told: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def step(self, sign: str, amount: int, lead: str) -> None:
        """Apply one operation to the running total and write it down as a worked step."""
        before = self.total
        self.total = {
            "+": before + amount,
            "-": before - amount,
            "*": before * amount,
            "/": before // amount,
        }[sign]
        self.steps.append(
            f"{lead} {before} {sign} {amount} = {self.total}" + (f" {self.thing}." if lead else ".")
        )


def exercise_sheet(rng: random.Random) -> str:
    """Return one to six exercises under one kind of heading."""
    head, answer = rng.choice(HEADS)
    closing = rng.choice(CLOSINGS)
    makers: tuple[Callable[[random.Random], tuple[str, str, int]], ...] = (
        _chain,
        _chain,
        _chain,
        _price,
        _two_people,
        _rate,
        _sum,
    )
    parts = []
    for _ in range(rng.randint(1, 6)):
        question, work, result = rng.choice(makers)(rng)
        parts.append(f"{head}{question}{answer}{work} {closing.format(result)}")
    return "\n\n".join(parts)


def _chain(rng: random.Random) -> tuple[str, str, int]:
    """A total that changes one to four times."""
    problem = Problem(rng, rng.choice(NAMES), rng.choice(THINGS), rng.randint(2, 60))
    name, thing, start = problem.name, problem.thing, problem.total
    place = rng.choice(PLACES)
    opening = rng.choice(
        (
            f"{name} has {start} {thing}.",
            f"There are {start} {thing} in {name}'s {place}.",
            f"{name} starts with {start} {thing}.",
        )
    )
    problem.told.append(opening)
    for _ in range(rng.randint(1, 4)):
        rng.choice((_gain, _gain, _lose, _lose, _double, _share))(problem)
    ask = rng.choice(
        (
            f"How many {thing} does {name} have now?",
            f"How many {thing} are there in the end?",
            f"How many {thing} are left?",
        )
    )
    return (
        " ".join([*problem.told, ask]),
        " ".join([f"{name} starts with {start} {thing}.", *problem.steps]),
        problem.total,
    )


def _gain(problem: Problem) -> None:
    rng, amount = problem.rng, problem.rng.randint(1, 50)
    other = rng.choice(NAMES)
    told = (
        f"{problem.name} buys {amount} more.",
        f"{other} gives {problem.name} {amount} more {problem.thing}.",
        f"Then {problem.name} finds {amount} {problem.thing}.",
        f"On {rng.choice(DAYS)} {problem.name} gets another {amount}.",
    )
    problem.told.append(rng.choice(told))
    problem.step("+", amount, f"After getting {amount} more, {problem.name} has")


def _lose(problem: Problem) -> None:
    if problem.total < 2:
        return _gain(problem)
    rng, amount = problem.rng, problem.rng.randint(1, problem.total - 1)
    told = (
        f"{problem.name} gives {amount} to {rng.choice(NAMES)}.",
        f"{problem.name} loses {amount} of them.",
        f"Then {problem.name} sells {amount} {problem.thing}.",
        f"On {rng.choice(DAYS)} {amount} {problem.thing} break.",
    )
    problem.told.append(rng.choice(told))
    return problem.step("-", amount, f"After losing {amount}, {problem.name} has")


def _double(problem: Problem) -> None:
    if problem.total > 60:
        return _lose(problem)
    factor, word = problem.rng.choice(((2, "doubles"), (3, "triples")))
    problem.told.append(f"Then the number of {problem.thing} {word}.")
    return problem.step("*", factor, f"When the number {word}, {problem.name} has")


def _share(problem: Problem) -> None:
    if problem.total % 2 or problem.total == 0:
        return _gain(problem)
    problem.told.append(f"{problem.name} gives away half of the {problem.thing}.")
    return problem.step("/", 2, f"After giving away half, {problem.name} has")


def _price(rng: random.Random) -> tuple[str, str, int]:
    name, first, second = rng.choice(NAMES), *rng.sample(THINGS, 2)
    count_a, count_b, price_a, price_b = (rng.randint(2, 12) for _ in range(4))
    cost_a, cost_b = count_a * price_a, count_b * price_b
    total = cost_a + cost_b
    bought = f"{name} buys {count_a} {first} for ${price_a} each and {count_b} {second} for ${price_b} each."
    work = (
        f"The {first} cost {count_a} * {price_a} = {cost_a} dollars. "
        f"The {second} cost {count_b} * {price_b} = {cost_b} dollars. "
        f"Together that is {cost_a} + {cost_b} = {total} dollars."
    )
    if rng.random() < 0.5:
        return f"{bought} How much does {name} pay?", work, total
    paid = total + rng.randint(1, 60)
    question = f"{bought} {name} pays with ${paid}. How much money is left?"
    return question, f"{work} {name} has {paid} - {total} = {paid - total} dollars left.", paid - total


def _two_people(rng: random.Random) -> tuple[str, str, int]:
    (one, two), thing = rng.sample(NAMES, 2), rng.choice(THINGS)
    count, factor, more = rng.randint(2, 30), rng.randint(2, 5), rng.randint(1, 30)
    if rng.random() < 0.5:
        word = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}[factor]
        other = count * factor
        told, step = f"{two} has {word} as many", f"{two} has {count} * {factor} = {other} {thing}."
    else:
        other = count + more
        told = f"{two} has {more} more {thing} than {one}"
        step = f"{two} has {count} + {more} = {other} {thing}."
    question = f"{one} has {count} {thing}. {told}. How many {thing} do they have together?"
    together = f"Together they have {count} + {other} = {count + other} {thing}."
    return question, f"{one} has {count} {thing}. {step} {together}", count + other


def _rate(rng: random.Random) -> tuple[str, str, int]:
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    rate, days, used = rng.randint(2, 20), rng.randint(2, 12), rng.randint(1, 3)
    verb, unit = rng.choice((("makes", "day"), ("packs", "hour"), ("collects", "week"), ("sells", "day")))
    made, kept = rate * days, (rate - used) * days
    if rng.random() < 0.5:
        question = f"{name} {verb} {rate} {thing} every {unit}. How many {thing} is that in {days} {unit}s?"
        first = f"In one {unit} there are {rate} {thing}."
        return question, f"{first} In {days} {unit}s there are {rate} * {days} = {made} {thing}.", made
    question = (
        f"{name} {verb} {rate} {thing} every {unit}, but {used} of them break. "
        f"How many good {thing} are there after {days} {unit}s?"
    )
    first = f"Each {unit} {rate} - {used} = {rate - used} {thing} stay good."
    return question, f"{first} In {days} {unit}s that is {rate - used} * {days} = {kept} {thing}.", kept


def _sum(rng: random.Random) -> tuple[str, str, int]:
    """A plain sum, worked from left to right."""
    total = rng.randint(1, 200)
    shown, steps = str(total), []
    for _ in range(rng.randint(1, 4)):
        sign, amount = rng.choice("+-"), rng.randint(1, 99)
        if sign == "-" and amount > total:
            sign = "+"
        after = total + amount if sign == "+" else total - amount
        shown += f" {sign} {amount}"
        steps.append(f"{total} {sign} {amount} = {after}.")
        total = after
    return rng.choice((f"What is {shown}?", f"Compute {shown}.", f"{shown} = ?")), " ".join(steps), total
