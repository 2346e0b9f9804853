"""Exercises of lesson 14: the shortest row, counting paths, a decoder to mend, receptive fields, the worth of an input.

Class 0 is the blank, as in the lesson.
"""

from __future__ import annotations

import inspect
from numbers import Integral

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import NotAttempted, Review, array_of_shape, first_match, function_from


# ---------------------------------------------------------------------------------------------------------------------
# 14.1  how long must a row be?
# ---------------------------------------------------------------------------------------------------------------------
def steps_needed(label):
    """The smallest number of steps with which a row can have this label, a list of at least one class id."""
    return len(label) + np.count_nonzero(np.diff(label) == 0)


def _one_a_symbol(label):
    return len(label)


def _all_blanks(label):
    return 2 * len(label) + 1


def _a_blank_between_any_two(label):
    return 2 * len(label) - 1


def _any_repeat(label):
    return 2 * len(label) - len(set(label))


NEEDS = (
    (
        _one_a_symbol,
        "One step for each symbol is enough only if no two neighbours are equal. Collapse the path 3 3: what is left "
        "of the second 3?",
    ),
    (_all_blanks, "That is the number of states. A path need not visit them all: which blanks may be skipped?"),
    (
        _a_blank_between_any_two,
        "A blank between two symbols that differ may be left out: the path 1 2 collapses to 1 2.",
    ),
    (_any_repeat, "Only equal *neighbours* need a blank between them. In 1 2 1 the 2 already keeps the two apart."),
)


def _check_steps_needed(attempt):
    labels = ([3, 3, 1, 3], [1], [1, 2], [4, 4, 4], [1, 2, 1, 2])

    def of_all(needed):
        return [array_of_shape(needed(list(label)), (), "one number of steps") for label in labels]

    got = of_all(attempt)
    for label, yours, truth in zip(labels, got, of_all(steps_needed), strict=True):
        if yours != truth:
            wrong = [(lambda needed=needed: of_all(needed), says) for needed, says in NEEDS]
            return first_match(got, (), wrong) or (
                f"For the label {label} you say {yours:g}; the shortest path has {truth:g} steps."
            )
    return None


STEPS = Exercise(
    number="14.1",
    title="How long must a row be?",
    prompt=r"""
With how few steps can a row have a given label? `label` is a list of class ids, at least one, none of them the blank.
Return the smallest number of steps for which some path collapses to it. One line is enough.
""",
    hints=(
        "Write down the shortest path for the labels 1 2, then for 1 1.",
        "One step for each symbol, and one more wherever two neighbours are equal.",
        "`np.diff(label)` is 0 where two neighbours are equal; `np.count_nonzero` counts.",
    ),
    solution=steps_needed,
    why="Strides and pooling shorten a row. If it gets shorter than this, no path is left: TensorFlow returns infinity "
    "or a huge number, `CTCLoss` names the row.",
    check=_check_steps_needed,
    misconceptions=NEEDS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 14.2  counting paths
# ---------------------------------------------------------------------------------------------------------------------
def _states_of(label):
    states = np.zeros(2 * len(label) + 1, int)
    states[1::2] = label
    skip = np.zeros(len(states), bool)
    skip[2:] = (states[2:] != 0) & (states[2:] != states[:-2])
    return states, skip


def count_paths(states, skip, steps):
    """How many paths of that many steps collapse to the label."""
    ways = np.zeros(len(states))
    ways[:2] = 1
    for _ in range(steps - 1):
        one, two = np.append(0, ways[:-1]), np.append([0, 0], ways[:-2])
        ways = ways + one + skip * two
    return ways[-2:].sum()


def _counted(states, skip, steps, begin=2, end=2, stay=True, jump="allowed"):
    ways = np.zeros(len(states))
    ways[:begin] = 1
    for _ in range(steps - 1):
        one, two = np.append(0, ways[:-1]), np.append([0, 0], ways[:-2])
        allowed = {"allowed": skip, "never": 0, "always": 1}[jump]
        ways = stay * ways + one + allowed * two
    return ways[-end:].sum()


def _last_state_only(states, skip, steps):
    return _counted(states, skip, steps, end=1)


def _ends_anywhere(states, skip, steps):
    return _counted(states, skip, steps, end=0)


def _starts_in_the_blank(states, skip, steps):
    return _counted(states, skip, steps, begin=1)


def _never_skips(states, skip, steps):
    return _counted(states, skip, steps, jump="never")


def _always_skips(states, skip, steps):
    return _counted(states, skip, steps, jump="always")


def _one_step_too_many(states, skip, steps):
    return count_paths(states, skip, steps + 1)


def _in_place(states, skip, steps):
    ways = [1, 1] + [0] * (len(states) - 2)
    for _ in range(steps - 1):
        for s in range(1, len(states)):
            ways[s] += ways[s - 1] + (ways[s - 2] if skip[s] else 0)
    return ways[-1] + ways[-2]


def _wraps_round(states, skip, steps):
    ways = np.zeros(len(states))
    ways[:2] = 1
    for _ in range(steps - 1):
        ways = ways + np.roll(ways, 1) + skip * np.roll(ways, 2)
    return ways[-2:].sum()


ONE_END = (
    "A path may start in the first blank or in the first symbol, and end in the last symbol or in the last blank: two "
    "states at each end. You allow only one at one of them."
)
COUNTS = (
    (_last_state_only, ONE_END),
    (_ends_anywhere, "A path that ends in an earlier state has not written the whole label. Which states are ends?"),
    (_starts_in_the_blank, ONE_END),
    (_never_skips, "You never skip a state. Where `skip` is True, a path may come from two states before."),
    (_always_skips, "You skip everywhere. Between two equal symbols the blank must stay, and from blank to blank no "
     "symbol may be left out: multiply by `skip`."),
    (_one_step_too_many, "You make one move too many: from step 1 to step `steps` there are `steps` - 1 moves."),
    (_in_place, "Within one move you read values that the same move has already overwritten. Compute all new values "
     "from the old ones, or go through the states from the last to the first."),
    (_wraps_round, "`np.roll` brings what leaves the last state back into the first. In front of the first state there "
     "are zeros."),
)  # fmt: skip


def _check_count_paths(attempt):
    labels = (([1, 2], 4), ([1, 1], 4), ([1, 2, 2], 6), ([2], 1), ([1, 2, 1], 7), ([2], 6))
    cases = [(*_states_of(label), steps) for label, steps in labels]

    def of_all(count):
        return [array_of_shape(count(states.copy(), skip.copy(), n), (), "one number") for states, skip, n in cases]

    got = of_all(attempt)
    for (label, steps), yours, truth in zip(labels, got, of_all(count_paths), strict=True):
        if yours != truth:
            wrong = [(lambda count=count: of_all(count), says) for count, says in COUNTS]
            return first_match(got, (), wrong) or (
                f"For the label {label} in {steps} steps you count {yours:g} paths; listing them all gives {truth:g}."
            )
    return None


PATHS = Exercise(
    number="14.2",
    title="Count the paths without listing them",
    prompt=r"""
How many paths of `steps` steps collapse to a label? You get what `states_of(label)` returns: the label's `states`, and
`skip`, True where a state may be reached from two states before. Count with the forward recursion (14.1), with whole
numbers in place of probabilities. `states` has at least three entries and `steps` is at least 1. Return one number.

Once it passes, ask for a label of four different digits in 40 steps, and compare with all paths over five classes.
""",
    hints=(
        "With which probabilities in (14.1) would α count paths?",
        "Let every y be 1. At step 1 two states have one path each, all others none.",
        "At each move: `ways = ways + one + skip * two`, where `one` and `two` are `ways` moved by one and two places, "
        "with zeros in front. At the end add the last two states.",
    ),
    solution=count_paths,
    why="A label of four different digits has 177,232,627 paths in 40 steps; over five classes there are 5^40, about "
    "9e27. The table is the same whatever is summed: counts, probabilities, or, with max in place of the sum, the best "
    "path. This is dynamic programming.",
    check=_check_count_paths,
    misconceptions=COUNTS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 14.3  a decoder that loses digits
# ---------------------------------------------------------------------------------------------------------------------
def read_with_a_bug(path):
    """The label of a path of class ids; 0 is the blank."""
    label, before = [], 0
    for symbol in path:
        if symbol != 0 and symbol != before:
            label.append(symbol)
        before = symbol
    return label


MENDED = inspect.getsource(read_with_a_bug)
BUGGY = MENDED.replace("        before = symbol\n", "        if symbol != 0:\n            before = symbol\n")

_as_it_is = function_from(BUGGY)
_never_merges = function_from(MENDED.replace(" and symbol != before", ""))
_keeps_blanks = function_from(MENDED.replace("symbol != 0 and ", ""))
_each_symbol_once = function_from(MENDED.replace("symbol != before", "symbol not in label"))

READS = (
    (_never_merges, "The path 3 3 should give 3: repeats without a blank between them are one symbol."),
    (_keeps_blanks, "Blanks are still in your label. They go, after they have kept equal symbols apart."),
    (_each_symbol_once, "The path 3 5 3 should give 3 5 3. A symbol may come back; only a repeat at once is dropped."),
)


def _check_read(attempt):
    paths = ([3, 0, 3], [3, 3], [0, 3, 3, 0, 3, 5, 5, 0], [3, 5, 3], [0, 0], [], [1, 1, 0, 0, 1, 2, 2, 0, 2])
    got = [attempt(list(path)) for path in paths]
    for path, label in zip(paths, got, strict=True):
        if not isinstance(label, list | tuple | np.ndarray) or not all(
            isinstance(symbol, Integral) for symbol in label
        ):
            return f"Expected for {path}: a list of class ids, whole numbers, but got `{label!r:.60}`."
    if [list(label) for label in got] == [_as_it_is(path) for path in paths]:
        raise NotAttempted("It still reads as the code handed out does: the path 3 0 3 should give 3 3, and gives 3.")
    for path, label in zip(paths, got, strict=True):
        if list(label) != read_with_a_bug(path):
            known = next((says for wrong, says in READS if [wrong(p) for p in paths] == [list(g) for g in got]), None)
            return known or f"The path {path} should give {read_with_a_bug(path)}, and yours gives {list(label)}."
    return None


DECODER = Exercise(
    number="14.3",
    title="The reader that loses a digit",
    prompt=r"""
This decoder reads most strips well, and reads a strip of 3 3 5 as 3 5. One line is at fault. Mend it, so that the
function returns the label of any path, also of an empty one, by the rule of section 1.
""",
    hints=(
        "Follow `before` through the path 3 0 3.",
        "Equal symbols are one symbol only if they stand side by side. A blank between them must be remembered.",
        "`before` has to be set at every step, to the blank too.",
    ),
    solution=read_with_a_bug,
    why="Merge first, then drop the blanks. The other order cannot tell 3 0 3 from 3 3.",
    check=_check_read,
    misconceptions=READS,
    code_to_mend=BUGGY,
)


# ---------------------------------------------------------------------------------------------------------------------
# 14.4  receptive field
# ---------------------------------------------------------------------------------------------------------------------
def receptive_field(layers):
    """How many columns one output can see through convolutions, each (width, stride), the first one first."""
    seen, step = 1, 1
    for width, stride in layers:
        seen += (width - 1) * step
        step *= stride
    return seen


def _sum_of_widths(layers):
    return sum(width for width, _ in layers)


def _product_of_widths(layers):
    return int(np.prod([width for width, _ in layers]))


def _widest(layers):
    return max(width for width, _ in layers)


def _without_strides(layers):
    return 1 + sum(width - 1 for width, _ in layers)


def _own_stride_too(layers):
    seen, step = 1, 1
    for width, stride in layers:
        step *= stride
        seen += (width - 1) * step
    return seen


def _stride_before_alone(layers):
    strides = [1, *(stride for _, stride in layers)]
    return 1 + sum((width - 1) * before for (width, _), before in zip(layers, strides, strict=False))


FIELDS = (
    (_sum_of_widths, "Two windows of 3 see 5 columns, not 6: the second window's middle lies on the first one's."),
    (
        _product_of_widths,
        "Neighbouring windows overlap, so the widths do not multiply: two windows of 3 see 5 columns.",
    ),
    (_widest, "A window over windows sees more than one of them does. What do two windows of 3 see?"),
    (
        _without_strides,
        "Behind a stride of 2, one step of the next layer is two columns. Where do you use the strides?",
    ),
    (_own_stride_too, "A layer's own stride says how far apart its outputs are; it widens what *later* layers see."),
    (
        _stride_before_alone,
        "You use the stride of the layer before alone. Strides multiply: behind 2 and 3 one step is six columns.",
    ),
)


def _check_receptive_field(attempt):
    cases = ([(3, 1)], [(3, 1)] * 4, [(3, 2), (5, 1)], [(5, 2), (3, 3), (3, 1)], [(1, 1)], [(15, 1), (1, 1)])
    for layers in cases:
        got = array_of_shape(attempt(list(layers)), (), "one number of columns")
        if got != receptive_field(layers):
            return first_match(got, (layers,), FIELDS) or (
                f"Through {layers} one output sees {receptive_field(layers)} columns; you say {got:g}."
            )
    return None


FIELD = Exercise(
    number="14.4",
    title="How far does a stack see?",
    prompt=r"""
A stack of convolutions is given as a list of pairs `(width, stride)`, first layer first. The stride says by how many
columns of its input a layer's window moves on from one output to the next. Pooling layers count as layers, too. How
many input columns can one output of the last layer depend on? There is at least one layer, no stride is larger than its
layer's width, and the row is long enough.
""",
    hints=(
        "One window of 3 sees 3 columns. Draw a second window of 3 over the first layer's outputs.",
        "Each layer adds its width less 1, measured in the steps of its own input.",
        "Keep two numbers: the columns seen, from 1 on, and the columns per step, from 1 on. For each layer first "
        "`seen += (width - 1) * step`, then `step *= stride`.",
    ),
    solution=receptive_field,
    why="Four windows of 3 see 9 columns with a third of the weights of one window of 9, for as many filters. A "
    "recurrent layer's receptive field is the whole past; a bidirectional one's is the whole row.",
    check=_check_receptive_field,
    misconceptions=FIELDS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 14.5  what is an input worth?
# ---------------------------------------------------------------------------------------------------------------------
INPUTS = ("picture", "sound")
LEAST_SEEDS = 3


def worth(measure):
    """Return {"picture": ..., "sound": ...}: by how much each input lowers the share of digits wrong."""
    seeds = range(3)

    def mean(trained, tested):
        return np.mean([measure(trained, tested, seed) for seed in seeds])

    return {
        "picture": mean("sound", "sound") - mean("both", "both"),
        "sound": mean("picture", "picture") - mean("both", "both"),
    }


def _taken_away_at_the_test(measure):
    def mean(trained, tested):
        return np.mean([measure(trained, tested, seed) for seed in range(3)])

    return {
        "picture": mean("both", "sound") - mean("both", "both"),
        "sound": mean("both", "picture") - mean("both", "both"),
    }


def _crossed(measure):
    found = worth(measure)
    return {"picture": found["sound"], "sound": found["picture"]}


def _one_run_each(measure):
    both = measure("both", "both", 0)
    return {"picture": measure("sound", "sound", 0) - both, "sound": measure("picture", "picture", 0) - both}


def _negative(measure):
    return {name: -value for name, value in worth(measure).items()}


def _in_per_cent(measure):
    return {name: 100 * value for name, value in worth(measure).items()}


def _alone(measure):
    return {name: np.mean([measure(name, name, seed) for seed in range(3)]) for name in INPUTS}


def _device(table):
    """A ``measure`` whose errors are known, and the seeds it was asked for, by (trained, tested)."""
    log = {}

    def measure(trained, tested, seed):
        if trained not in (*INPUTS, "both") or tested not in (*INPUTS, "both"):
            raise Review(
                f'`measure(trained, tested, seed)` takes "picture", "sound" or "both" twice, and was asked for '
                f"{trained!r}, {tested!r}."
            )
        if not isinstance(seed, Integral) or seed < 0:
            raise Review(f"A seed is a whole number from 0 up, and {seed!r} came.")
        if (trained, tested) not in table:
            raise Review(f"A network trained on {trained} alone has no input for {tested}: this cannot be measured.")
        log.setdefault((trained, tested), set()).add(int(seed))
        if sum(map(len, log.values())) > 60:
            raise Review("Your experiment has asked for more than 60 runs. In the lesson each takes seconds.")
        return table[trained, tested] + 0.002 * ((7 * int(seed) + 3) % 5 - 2)

    return measure, log


WORLDS = (
    {("both", "both"): 0.02, ("both", "sound"): 0.40, ("both", "picture"): 0.30, ("sound", "sound"): 0.12,
     ("picture", "picture"): 0.22},
    {("both", "both"): 0.10, ("both", "sound"): 0.10, ("both", "picture"): 0.60, ("sound", "sound"): 0.10,
     ("picture", "picture"): 0.50},
)  # fmt: skip


def _check_worth(attempt):
    for table in WORLDS:
        measure, log = _device(table)
        got = attempt(measure)
        if not isinstance(got, dict) or set(got) != set(INPUTS):
            return 'Expected: a dict with the keys "picture" and "sound", each with one number.'
        got = {name: float(array_of_shape(got[name], (), f"the worth of the {name}")) for name in INPUTS}
        if any(len(seeds) < LEAST_SEEDS for seeds in log.values()):
            fewest = min(log, key=lambda case: len(log[case]))
            return (
                f"Trained on {fewest[0]} and tested on {fewest[1]} you measured {len(log[fewest])} seed"
                f"{'s' if len(log[fewest]) > 1 else ''}. Take at least {LEAST_SEEDS} different ones for each setting."
            )
        truth = worth(_device(table)[0])
        if all(abs(got[name] - truth[name]) < 0.005 for name in INPUTS):
            continue
        shown = f"You say picture {got['picture']:.3f} and sound {got['sound']:.3f}."
        if ("both", "sound") in log or ("both", "picture") in log:
            return (
                f"{shown} You took an input away from a network that had learned to rely on it. That measures how it "
                f"copes with a fault, not what the input is worth: a network that never had the input may do better."
            )
        for wrong, says in (
            (_crossed, "The two are crossed: what is the *picture* worth to somebody who has the sound?"),
            (_negative, "The sign is turned: an input is worth something if the error is *lower* with it."),
            (
                _alone,
                "These are the errors of each input alone. Its worth is how much it lowers the error of the other.",
            ),
            (_in_per_cent, "These are percentage points. `measure` returns shares: answer with .10, not with 10."),
        ):
            if all(abs(got[name] - wrong(_device(table)[0])[name]) < 0.005 for name in INPUTS):
                return f"{shown} {says}"
        return (
            f"{shown} From the errors that this device gives, picture {truth['picture']:.3f} and sound "
            f"{truth['sound']:.3f} follow: compare the network with both inputs to one that was trained without it."
        )
    return None


WORTH = Exercise(
    number="14.5",
    title="What is an input worth?",
    prompt=r"""
You have a measuring device: `measure(trained, tested, seed)` trains a network on `"picture"`, `"sound"` or `"both"`,
tests it on the same or on one input less, and returns the share of digits wrong. A network trained on one input cannot
be tested on another.

Design the experiment that says what each input is *worth to somebody who can have the other one anyway*: by how much
the mean error is lower with it, if for each case a network of its own is trained. `worth(measure)` returns the two
numbers in a dict, `{"picture": ..., "sound": ...}`, as shares like those of `measure`. Measure at least three different
seeds of every setting that you use, at most 60 runs in all. The check hands you devices with known errors; it accepts
what is within .005.
""",
    hints=(
        "Somebody without a camera would train a network without pictures. Which setting is that?",
        "The worth of the picture compares two networks: trained and tested on both, trained and tested on the sound.",
        'picture: mean of `measure("sound", "sound", seed)` less mean of `measure("both", "both", seed)`; the sound '
        "likewise.",
    ),
    solution=worth,
    why="Taking an input away from a trained network answers another question: what happens if the microphone fails. "
    "Both are worth asking, and they have different answers.",
    check=_check_worth,
    misconceptions=(
        (_taken_away_at_the_test, "had learned to rely on it"),
        (_crossed, "The two are crossed"),
        (_one_run_each, "you measured 1 seed"),
        (_negative, "The sign is turned"),
        (_alone, "errors of each input alone"),
        (_in_per_cent, "answer with .10"),
    ),
)


EXERCISES = [STEPS, PATHS, DECODER, FIELD, WORTH]
check, hint, solution = bank(EXERCISES)
