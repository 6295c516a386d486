"""LightGBM's own models: the text that `Booster.save_model` writes (`.txt`, `.lgb`, `.model`).

The input is `X`, a table of numbers in which NaN is missing; the output `predictions`, what
`Booster.predict` gives. Prediction runs on the processor in every build, so the provider is `cpu`.
Options: `threads`, `predict` (`value`, `margin`, `leaf`, `contributions`).
"""

from ._plain import array, file_of, only, value, version_of, written_off

__all__ = ["Adapter"]

_FLAGS = {
    "value": {}, "margin": {"raw_score": True}, "leaf": {"pred_leaf": True},
    "contributions": {"pred_contrib": True},
}  # fmt: skip
_OPTIONS = {"predict": tuple(_FLAGS)}


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import lightgbm

        self.lightgbm = lightgbm

    def info(self):
        """Version."""
        return {
            "runtime": "lightgbm",
            "version": version_of(self.distribution, self.lightgbm.__version__),
            "providers": ["cpu"],
            "devices": ["CPU"],
            "limits": {},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("lightgbm", options, _OPTIONS)

    def unavailable(self, provider, options):
        """There is one provider."""
        return None if provider == "cpu" else "LightGBM predicts on cpu, not on " + provider

    def load(self, model, provider, options):
        """Read the file."""
        told = only("lightgbm", options, _OPTIONS)
        path = file_of("lightgbm", model, (".txt", ".lgb", ".model"))
        flags = dict(_FLAGS[told.get("predict", "value")])
        flags["num_threads"] = int(told.get("threads", "1"))
        return Session(self.lightgbm.Booster(model_file=path), flags)


class Session:
    """One booster."""

    def __init__(self, booster, flags):
        self._booster = booster
        self._flags = flags

    def assign(self):
        """There is nothing to place."""

    def inputs(self):
        """One table."""
        return ["X"]

    def signature(self):
        """[("X", "float64", (rows, features))]."""
        return [("X", "float64", ("rows", int(self._booster.num_feature())))]

    def run(self, feeds):
        """Predict once."""
        written_off(["X"], feeds)
        table = array("lightgbm", feeds["X"])
        return [("predictions", value(self._booster.predict(table, **self._flags)))]

    def placement(self):
        """{cpu: trees}."""
        trees = self._booster.num_trees()
        return {"cpu": trees} if trees else {}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the booster."""
        self._booster = None
