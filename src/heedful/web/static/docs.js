"use strict";
for (const form of document.querySelectorAll("form")) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const out = form.querySelector("pre");
    let path = form.dataset.path;
    for (const field of form.querySelectorAll("[data-part]"))
      path = path.replace(`{${field.dataset.part}}`, encodeURIComponent(field.value));
    const query = new URLSearchParams();
    for (const field of form.querySelectorAll("[data-query]"))
      if (field.value) query.set(field.dataset.query, field.value);
    if ([...query].length) path += `?${query}`;
    const key = document.getElementById("key").value.trim();
    const said = { method: form.dataset.method, headers: {} };
    if (key) said.headers.Authorization = `Bearer ${key}`;
    const body = form.querySelector("textarea");
    if (body) {
      said.body = body.value;
      said.headers["Content-Type"] = "application/json";
    }
    out.hidden = false;
    out.textContent = "…";
    try {
      const answer = await fetch(path, said);
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON: as it is */ }
      out.textContent = `${answer.status} ${answer.statusText}\n${shown}`;
    } catch (error) {
      out.textContent = String(error);
    }
  });
}
