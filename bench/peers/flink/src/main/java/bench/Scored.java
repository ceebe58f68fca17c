package bench;

import java.util.ArrayList;
import java.util.List;

/** A transaction with its score, which is the sum of the points of the rules that fire. */
public class Scored {
  private static final int VELOCITY_MAX = 5;

  public Transaction transaction;
  public int count;
  public int score;
  public List<String> reasons;

  static Scored of(Transaction transaction, int count) {
    Scored scored = new Scored();
    scored.transaction = transaction;
    scored.count = count;
    scored.reasons = new ArrayList<>(2);
    String country = transaction.country();
    int hour = transaction.hour();
    scored.rule("known_fraud", 50, transaction.fraud);
    scored.rule("high_amount", 30, transaction.cents > 5_000_00);
    scored.rule("crypto_payment", 20, "crypto".equals(transaction.paymentMethod));
    scored.rule("high_risk_country", 15,
        "Nigeria".equals(country) || "Russia".equals(country) || "China".equals(country));
    scored.rule("late_night", 10, hour >= 23 || hour < 5);
    scored.rule("weekend", 5, transaction.weekend());
    scored.rule("high_velocity", 25, scored.highVelocity());
    return scored;
  }

  boolean highVelocity() {
    return count > VELOCITY_MAX;
  }

  String riskLevel() {
    if (score >= 75) return "CRITICAL";
    if (score >= 50) return "HIGH";
    if (score >= 25) return "MEDIUM";
    return score >= 10 ? "LOW" : "MINIMAL";
  }

  private void rule(String name, int points, boolean fires) {
    if (!fires) return;
    score += points;
    reasons.add(name);
  }
}
