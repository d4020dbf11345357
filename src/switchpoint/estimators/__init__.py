"""What would each model's answer be worth, cost and take? Embedders, trained estimators, and their artifacts."""

ESTIMATORS: dict[str, str] = {
    "bundled": "switchpoint.estimators.bundled:Bundled",
    "heads": "switchpoint.estimators.heads:TextHeads",
    "encoder": "switchpoint.estimators.encoder:Encoder",
    "learned": "switchpoint.estimators.learned:Learned",
    "mean_quality": "switchpoint.estimators.mean:MeanQuality",
    "prompt_length": "switchpoint.estimators.length:PromptLength",
    "rated": "switchpoint.estimators.rating:RatedQuality",
    "list_price": "switchpoint.estimators.cost:ListPriceCost",
    "mean_cost": "switchpoint.estimators.mean:MeanCost",
    "output_tokens": "switchpoint.estimators.tokens:OutputTokens",
    "token_cost": "switchpoint.estimators.cost:TokenCost",
    "latency": "switchpoint.estimators.latency:Latency",
}
"""The estimators by kind, as strings, so that nothing is imported before it is needed."""
