// Fragments: HTML that our server has escaped, put in place of an element's content.
export async function fragment(address, options = {}) {
  const response = await fetch(address, { credentials: "same-origin", ...options });
  return response.text();
}

export function place(element, html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  element.replaceChildren(...parsed.body.childNodes);
}
