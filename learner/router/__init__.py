"""Which model for which task: learned with scikit-learn (`estimator`, `training`), written to a file that people can read and
review (`exported`), and decided from that file by plain Python (`features`, `exported`), so that asking costs no heavy import.

    records -> training.train -> RewardModel -> exported.Router -> .agent/router.json -> Router.expect(task) -> a choice
"""
