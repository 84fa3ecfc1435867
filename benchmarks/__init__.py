"""How fast is it? Ratios, measured side by side in one run: `./run bench`.

One module a row. Each measures Heedful and, in the same run and by turns, a floor: the same work
done by the bare driver, server or client, from `baselines/`, which imports nothing of heedful.
Absolute rates of a shared machine swing; the ratio of what ran side by side hardly does.
"""
